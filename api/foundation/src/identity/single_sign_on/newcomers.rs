//! Who somebody is here, of whom a provider says who they are there: the member who came by it before, the member with that
//! address, or somebody new.
//!
//! The provider's own id of the person decides from the second time on. An address that goes over to somebody else there
//! opens nothing of who had it before.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    identity::{
        AccountRules, Role, SignUp,
        accounts::{self, insert_membership},
        email::Email,
        members, password, unauthenticated,
    },
    scope::Scope,
    store::{
        WorkspaceTx,
        entity::{accounts as account_table, memberships as table},
    },
};

/// The membership of a person, by the keyed id of the provider and an address that it vouches for. `role` is what somebody
/// new becomes; without it nobody new is let in.
pub(super) async fn member_of(
    scope: &Scope,
    tx: &WorkspaceTx,
    rules: AccountRules,
    address: &str,
    subject: &[u8],
    role: Option<Role>,
) -> Result<table::Model> {
    let known = table::Entity::find()
        .filter(table::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ProviderSubjectIndex.eq(subject.to_vec()))
        .one(tx.db())
        .await?;
    if let Some(membership) = known {
        let account = account_table::Entity::find_by_id(membership.account_id).one(tx.db()).await?;
        return open(membership, account.as_ref());
    }
    let email = Email::parse(address).map_err(|_| unauthenticated())?;
    let account = account_table::Entity::find()
        .filter(account_table::Column::EmailIndex.eq(email.index(tx.store())))
        .one(tx.db())
        .await?;
    let membership = match &account {
        Some(account) => members::find(tx, account.id).await?,
        None => None,
    };
    let membership = match membership {
        Some(membership) if membership.provider_subject_index.is_some() => {
            let message =
                "This address was somebody else's at your identity provider. An owner has to remove that member.";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Some(membership) => open(membership, account.as_ref())?,
        None => join(scope, tx, rules, &email, account.as_ref(), role).await?,
    };
    let subject = Some(subject.to_vec());
    members::set(tx, membership.account_id, table::Column::ProviderSubjectIndex, subject.clone()).await?;
    Ok(table::Model { provider_subject_index: subject, ..membership })
}

/// Makes a member of somebody who comes for the first time.
async fn join(
    scope: &Scope,
    tx: &WorkspaceTx,
    rules: AccountRules,
    email: &Email,
    account: Option<&account_table::Model>,
    role: Option<Role>,
) -> Result<table::Model> {
    let nobody_new = || Error::new(ErrorKind::Disabled, "Nobody new is let in. Ask to be invited.");
    let role = role.ok_or_else(nobody_new)?;
    let id = match account {
        Some(account) if account.deactivated_at.is_some() => return Err(unauthenticated()),
        // Somebody may have made it for an address that is not theirs, to be in it when its owner comes.
        Some(account) if account.email_verified_at.is_none() => {
            let message = "This address has an account that nobody showed to be theirs. Verify it or choose another \
                           password by a mailed link, then begin again.";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Some(account) => account.id,
        None if rules.sign_up == SignUp::Closed => return Err(nobody_new()),
        None => accounts::insert_account(tx, email, password::nobodys(), Some(tx.store().now())).await?,
    };
    insert_membership(tx, id, role).await?;
    let event = Event::new("member.added").target("account", id.0).detail("role", role.name());
    audit::append(scope, tx, event.detail("by", "single sign-on")).await?;
    members::find(tx, id).await?.ok_or_else(|| Error::internal("a membership that was just made"))
}

/// Nobody is let in who was closed out.
fn open(membership: table::Model, account: Option<&account_table::Model>) -> Result<table::Model> {
    let is_open = account.is_some_and(|account| account.deactivated_at.is_none());
    if is_open && membership.suspended_at.is_none() { Ok(membership) } else { Err(unauthenticated()) }
}
