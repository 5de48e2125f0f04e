//! Invitations into a workspace: to an address, as a role, for some days. A token's text is `cin_`, the workspace's and the
//! invitation's id, `_`, and 256 random bits; its hash is stored. Where mails are sent, the token is made when it is mailed
//! and nobody else sees it; elsewhere whoever invites hands it over.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    AccountRules, Role, SecretText, SignUp, accounts, custom_roles, email::Email, password, passwords, unauthenticated,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{self, AccountId, CustomRoleId, InvitationId, WorkspaceId, fill_random},
    jobs::{self, NewJob},
    scope::{Permission, Scope},
    store::{
        Mode, Store, WorkspaceTx,
        entity::{invitations, memberships},
    },
    vault::Place,
};

/// How long an invitation lives where nobody says.
pub const DAYS: i64 = 7;

/// How long it may live.
pub const MOST_DAYS: i64 = 30;

/// The job that mails one.
pub(super) const MAIL_JOB: &str = "invitation.mail";

const PREFIX: &str = "cin_";

/// An invitation, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// To whom.
    pub address: String,
    /// As what.
    pub role: Role,
    /// One of the workspace's own that comes from it, where it is one.
    pub custom_role: Option<CustomRoleId>,
    /// Made at.
    pub created_at: Timestamp,
    /// Ends at.
    pub expires_at: Timestamp,
    /// Accepted at.
    pub accepted_at: Option<Timestamp>,
    /// Taken back at.
    pub revoked_at: Option<Timestamp>,
}

/// Invites an address to a role, or to one of the workspace's own that comes from it. The token is given where no mail is sent. Nobody invites to a role that may do more than their own.
///
/// # Errors
/// `Forbidden`; `ConfirmationRequired`; `Invalid`.
pub async fn invite(
    scope: &Scope,
    store: &Store,
    rules: AccountRules,
    address: &str,
    (role, custom_role): (Role, Option<CustomRoleId>),
    days: Option<i64>,
) -> Result<(Invitation, Option<SecretText>)> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    let email = Email::parse(address)?;
    let days = days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Error::invalid("days", "An invitation lives 1 to 30 days."));
    }
    let id = InvitationId::new(store.clock());
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let (token, hash) = new_token(scope.workspace(), id);
    let row = invitations::Model {
        workspace_id: scope.workspace(),
        id,
        address_index: email.index(store),
        address_sealed: key.seal_text(&place(scope.workspace(), id), email.text()),
        role: role.name().to_owned(),
        token_hash: (!rules.has_mail).then_some(hash),
        is_mailed: rules.has_mail,
        invited_by: scope.actor().id(),
        created_at: store.now(),
        expires_at: store.now().plus(Duration::from_secs(days.unsigned_abs() * 24 * 3600)),
        accepted_at: None,
        accepted_by: None,
        revoked_at: None,
        custom_role_id: custom_role,
    };
    let tx = store.write(scope).await?;
    custom_roles::require_may_invite(scope, &tx, role, custom_role).await?;
    let active = invitations::ActiveModel::from(row.clone()).reset_all();
    invitations::Entity::insert(active).exec_without_returning(tx.db()).await?;
    if rules.has_mail {
        jobs::enqueue(&tx, NewJob::new(MAIL_JOB, id.0).priority(2)).await?;
    }
    audit::append(scope, &tx, event("invitation.made", id).detail("role", role.name())).await?;
    tx.commit().await?;
    Ok((read(row, email.text().to_owned())?, (!rules.has_mail).then_some(token)))
}

/// All invitations of the workspace, newest first.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<Invitation>> {
    scope.require(Permission::WorkspaceWrite)?;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.read(scope).await?;
    let rows = invitations::Entity::find()
        .filter(invitations::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_desc(invitations::Column::Id)
        .all(tx.db())
        .await?;
    let opened = rows.into_iter().map(|row| {
        let address = key.open_text(&place(row.workspace_id, row.id), &row.address_sealed)?;
        read(row, address)
    });
    opened.collect()
}

/// Takes an invitation back. Again does nothing.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `NotFound`; `Conflict` where it was accepted.
pub async fn revoke(scope: &Scope, store: &Store, id: InvitationId) -> Result<()> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.write(scope).await?;
    let row = find(&tx, id).await?.ok_or_else(|| Error::not_found("invitation"))?;
    if row.accepted_at.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "It was accepted. End the membership instead."));
    }
    if row.revoked_at.is_none() {
        set(&tx, id, invitations::Column::RevokedAt, store.now()).await?;
        audit::append(scope, &tx, event("invitation.revoked", id)).await?;
    }
    tx.commit().await
}

/// Accepts an invitation: as the signed-in member of its address; or with a new account of that address, under this
/// password.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with the token; `Conflict` where the address has an account that is not signed in,
/// or that is a member already; `Invalid` for the password; `Disabled` where nobody may make an account.
pub async fn accept(
    store: &Store,
    rules: AccountRules,
    by: Option<&Scope>,
    token: &str,
    password: Option<&str>,
) -> Result<(WorkspaceId, AccountId)> {
    let (workspace, id, hash) = parse(token).ok_or_else(unauthenticated)?;
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let row = find(&tx, id).await?.filter(|row| holds(row, &hash, store.now())).ok_or_else(unauthenticated)?;
    drop(tx);
    let key = store.vault().workspace_key(workspace).await?;
    let address = key.open_text(&place(workspace, id), &row.address_sealed)?;
    let known = passwords::by_address(store, &address).await?;
    let hashed = match (&known, password) {
        (Some(account), _) => {
            let is_signed_in = by.and_then(|by| by.account_holder().ok()).is_some_and(|(own, _)| own == account.id);
            if !is_signed_in {
                let message = "This address has an account. Sign in with it, then accept.";
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            None
        }
        (None, _) if rules.sign_up == SignUp::Closed => {
            return Err(Error::new(ErrorKind::Disabled, "Accounts are made by the operator here."));
        }
        (None, None) => return Err(Error::invalid("password", "Choose a password for the new account.")),
        (None, Some(password)) => {
            password::check(password)?;
            Some(password::hash(password).await?)
        }
    };
    let role: Role = row.role.parse()?;
    let scope = match by {
        Some(by) => by.as_in(workspace),
        None => Scope::duty(workspace, "invitation"),
    };
    let tx = store.write(&scope).await?;
    claim(&tx, id, &hash).await?;
    let account = match (known, hashed) {
        (Some(account), _) => account.id,
        (None, hashed) => {
            let email = Email::parse(&address)?;
            // A link that was mailed shows that the address is theirs; one that was handed over does not.
            let verified = row.is_mailed.then_some(store.now());
            accounts::insert_account(&tx, &email, hashed.ok_or_else(unauthenticated)?, verified).await?
        }
    };
    if memberships::Entity::find_by_id((account, workspace)).one(tx.db()).await?.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "You are a member already."));
    }
    accounts::insert_membership(&tx, account, role).await?;
    if let Some(custom_role) = row.custom_role_id {
        custom_roles::give(&tx, account, custom_role).await?;
    }
    invitations::Entity::update_many()
        .col_expr(invitations::Column::AcceptedBy, Expr::value(account))
        .filter(invitations::Column::WorkspaceId.eq(workspace))
        .filter(invitations::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    let event = Event::new("member.added").target("account", account.0).detail("role", role.name());
    audit::append(&scope, &tx, event.detail("invitation", id.to_string())).await?;
    tx.commit().await?;
    Ok((workspace, account))
}

/// An invitation that is to be mailed now: to whom, into what, and its token, in place of an earlier one.
pub(super) async fn arm(
    scope: &Scope,
    store: &Store,
    id: InvitationId,
) -> Result<Option<(String, String, SecretText)>> {
    let tx = store.write(scope).await?;
    let row = find(&tx, id)
        .await?
        .filter(|row| row.accepted_at.is_none() && row.revoked_at.is_none() && row.expires_at > store.now());
    let Some(row) = row else { return Ok(None) };
    let name = crate::workspaces::current(&tx).await?.name;
    let (token, hash) = new_token(scope.workspace(), id);
    invitations::Entity::update_many()
        .col_expr(invitations::Column::TokenHash, Expr::value(hash))
        .filter(invitations::Column::WorkspaceId.eq(scope.workspace()))
        .filter(invitations::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let address = key.open_text(&place(scope.workspace(), id), &row.address_sealed)?;
    Ok(Some((address, name, token)))
}

/// Takes away what ended thirty days ago.
pub(super) async fn sweep(tx: &WorkspaceTx) -> Result<u64> {
    let long_ago = tx.store().now().minus(Duration::from_secs(MOST_DAYS.unsigned_abs() * 24 * 3600));
    let gone = invitations::Entity::delete_many()
        .filter(invitations::Column::WorkspaceId.eq(tx.workspace()))
        .filter(invitations::Column::ExpiresAt.lte(long_ago))
        .exec(tx.db())
        .await?;
    Ok(gone.rows_affected)
}

/// Of two that accept at once one does.
async fn claim(tx: &WorkspaceTx, id: InvitationId, hash: &[u8]) -> Result<()> {
    let now = tx.store().now();
    let claimed = invitations::Entity::update_many()
        .col_expr(invitations::Column::AcceptedAt, Expr::value(now))
        .filter(invitations::Column::WorkspaceId.eq(tx.workspace()))
        .filter(invitations::Column::Id.eq(id))
        .filter(invitations::Column::TokenHash.eq(hash.to_vec()))
        .filter(invitations::Column::AcceptedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .filter(invitations::Column::ExpiresAt.gt(now))
        .exec(tx.db())
        .await?;
    if claimed.rows_affected == 1 { Ok(()) } else { Err(unauthenticated()) }
}

fn holds(row: &invitations::Model, hash: &[u8], now: Timestamp) -> bool {
    let is_right: bool = row.token_hash.as_deref().unwrap_or_default().ct_eq(hash).into();
    is_right && row.accepted_at.is_none() && row.revoked_at.is_none() && row.expires_at > now
}

async fn set(tx: &WorkspaceTx, id: InvitationId, column: invitations::Column, value: Timestamp) -> Result<()> {
    invitations::Entity::update_many()
        .col_expr(column, Expr::value(value))
        .filter(invitations::Column::WorkspaceId.eq(tx.workspace()))
        .filter(invitations::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn find(tx: &WorkspaceTx, id: InvitationId) -> Result<Option<invitations::Model>> {
    Ok(invitations::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?)
}

fn read(row: invitations::Model, address: String) -> Result<Invitation> {
    Ok(Invitation {
        id: row.id,
        address,
        role: row.role.parse()?,
        custom_role: row.custom_role_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        accepted_at: row.accepted_at,
        revoked_at: row.revoked_at,
    })
}

fn new_token(workspace: WorkspaceId, invitation: InvitationId) -> (SecretText, Vec<u8>) {
    let mut secret = Zeroizing::new([0; 32]);
    fill_random(&mut *secret);
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*secret));
    let token = format!("{PREFIX}{}{}_{}", id::encode(workspace.0), id::encode(invitation.0), *text);
    (SecretText::new(token), Sha256::digest(*secret).to_vec())
}

fn parse(token: &str) -> Option<(WorkspaceId, InvitationId, Vec<u8>)> {
    let (ids, secret) = token.trim().strip_prefix(PREFIX)?.split_once('_')?;
    let (workspace, invitation) = ids.split_at_checked(26)?;
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?);
    let hash = Sha256::digest(&*secret).to_vec();
    Some((WorkspaceId(id::decode(workspace)?), InvitationId(id::decode(invitation)?), hash))
}

fn event(action: &'static str, id: InvitationId) -> Event {
    Event::new(action).target("invitation", id.0)
}

fn place(workspace: WorkspaceId, id: InvitationId) -> Place {
    Place::new(workspace, "invitations", "address_sealed", id.0)
}
