//! Members of a workspace: their roles, leaving for a while, and leaving for good.
//!
//! Nobody gives or takes a role that may do more than their own, only an owner an owner's, and nobody changes their own
//! membership: so an owner always stays.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Role, review,
    sessions::{self, Because},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::AccountId,
    scope::{Actor, Permission, Scope},
    store::{
        Notice, Store, Topic, WorkspaceTx,
        entity::{custom_roles, memberships, sessions as session_table},
    },
};

/// Gives a member another role, at once: what their open streams may not show any more ends.
///
/// # Errors
/// `Forbidden`; `ConfirmationRequired`; `NotFound`; `Conflict` for one's own.
pub async fn change_role(scope: &Scope, store: &Store, account: AccountId, role: Role) -> Result<()> {
    let (tx, before) = begin(scope, store, account).await?;
    require_power_over(scope, &tx, role).await?;
    set(&tx, account, memberships::Column::Role, role.name()).await?;
    set_custom_role(&tx, account, None).await?;
    review::reviewed(&tx, account).await?;
    tell_sessions(&tx, account).await?;
    let event = Event::new("member.role_changed").target("account", account.0);
    let event = event.detail("from", before.role).detail("to", role.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// Lets a member in no more, until [`reactivate`]: their sessions here end.
///
/// # Errors
/// As [`change_role`].
pub async fn deactivate(scope: &Scope, store: &Store, account: AccountId) -> Result<()> {
    let (tx, _) = begin(scope, store, account).await?;
    set(&tx, account, memberships::Column::SuspendedAt, Some(store.now())).await?;
    sessions::end_all(&tx, account, None, Because::MembershipEnded).await?;
    audit::append(scope, &tx, Event::new("member.deactivated").target("account", account.0)).await?;
    tx.commit().await
}

/// Lets a member in again, which counts as a review.
///
/// # Errors
/// As [`change_role`].
pub async fn reactivate(scope: &Scope, store: &Store, account: AccountId) -> Result<()> {
    let (tx, _) = begin(scope, store, account).await?;
    set(&tx, account, memberships::Column::SuspendedAt, Option::<Timestamp>::None).await?;
    review::reviewed(&tx, account).await?;
    audit::append(scope, &tx, Event::new("member.reactivated").target("account", account.0)).await?;
    tx.commit().await
}

/// Ends a membership; all its sessions in the workspace end with it.
///
/// # Errors
/// As [`change_role`].
pub async fn remove(scope: &Scope, store: &Store, account: AccountId) -> Result<()> {
    let (tx, membership) = begin(scope, store, account).await?;
    memberships::Entity::delete_by_id((account, scope.workspace())).exec(tx.db()).await?;
    sessions::end_all(&tx, account, None, Because::MembershipEnded).await?;
    let event = Event::new("member.removed").target("account", account.0).detail("role", membership.role);
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// Refuses to give or take a role that may do more than the actor; an owner's, for anyone but an owner.
pub(super) async fn require_power_over(scope: &Scope, tx: &WorkspaceTx, role: Role) -> Result<()> {
    let is_within = role.permissions().and(scope.permissions()) == role.permissions();
    let is_owner = match scope.actor() {
        Actor::Member { account, .. } if role == Role::Owner => {
            find(tx, account).await?.is_some_and(|membership| membership.role == Role::Owner.name())
        }
        _ => false,
    };
    let is_allowed = match role {
        Role::Visitor => false,
        Role::Owner => is_owner,
        _ => is_within,
    };
    if is_allowed { Ok(()) } else { Err(Error::new(ErrorKind::Forbidden, "This role is not yours to give or take.")) }
}

pub(crate) async fn find(tx: &WorkspaceTx, account: AccountId) -> Result<Option<memberships::Model>> {
    Ok(memberships::Entity::find_by_id((account, tx.workspace())).one(tx.db()).await?)
}

/// A transaction in which the actor may change this membership, and the membership.
pub(super) async fn begin(
    scope: &Scope,
    store: &Store,
    account: AccountId,
) -> Result<(WorkspaceTx, memberships::Model)> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    let tx = store.write(scope).await?;
    let membership = find(&tx, account).await?.ok_or_else(|| Error::not_found("member"))?;
    require_power_over(scope, &tx, membership.role.parse()?).await?;
    if matches!(scope.actor(), Actor::Member { account: own, .. } if own == account) {
        return Err(Error::new(ErrorKind::Conflict, "Somebody else has to change your membership."));
    }
    Ok((tx, membership))
}

/// Writes one column of a membership.
pub(super) async fn set(
    tx: &WorkspaceTx,
    account: AccountId,
    column: memberships::Column,
    value: impl Into<sea_orm::Value>,
) -> Result<()> {
    memberships::Entity::update_many()
        .col_expr(column, Expr::value(value))
        .filter(memberships::Column::AccountId.eq(account))
        .filter(memberships::Column::MemberWorkspaceId.eq(tx.workspace()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Writes which of the workspace's own roles a membership has, with what that allows; none where it has the whole of its role.
pub(super) async fn set_custom_role(
    tx: &WorkspaceTx,
    account: AccountId,
    custom: Option<custom_roles::Model>,
) -> Result<()> {
    let (id, permissions) = custom.map(|custom| (custom.id, custom.permissions)).unzip();
    set(tx, account, memberships::Column::CustomRoleId, id).await?;
    set(tx, account, memberships::Column::Permissions, permissions).await
}

/// Whoever holds a stream open looks at what they may do.
pub(super) async fn tell_sessions(tx: &WorkspaceTx, account: AccountId) -> Result<()> {
    let open = session_table::Entity::find()
        .filter(session_table::Column::AccountId.eq(account))
        .filter(session_table::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(session_table::Column::RevokedAt.is_null())
        .all(tx.db())
        .await?;
    for session in open {
        tx.notify(Notice { topic: Topic::Session, id: session.id.0 });
    }
    Ok(())
}
