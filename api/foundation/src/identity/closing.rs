//! Closing an account, opening it again, and erasing it: two things, since what is closed is kept apart for a while and
//! what is erased is gone.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Role,
    password::{self, Verdict},
    passwords, second_factor,
    sessions::{self, Because},
    throttle, tickets, unauthenticated,
};
use crate::{
    audit::Event,
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, WorkspaceId},
    scope::Scope,
    store::{
        InstanceTx, Store,
        entity::{accounts, memberships, sessions as session_table},
    },
};

/// Closes the member's own account: their sessions end, and nobody signs in with it. The operator opens it again.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Unauthenticated` where the password is not right; `Conflict` where a workspace
/// would be left without an owner; `RateLimited`.
pub async fn close(scope: &Scope, store: &Store, password: &str) -> Result<()> {
    let (account, _) = scope.member()?;
    throttle::take(store, throttle::CODES, account.0.as_bytes()).await?;
    let row = passwords::find(store, account).await?.ok_or_else(unauthenticated)?;
    if password::verify(password, Some(row.password_hash)).await? == Verdict::Wrong {
        return Err(Error::new(ErrorKind::Unauthenticated, "The password is not right."));
    }
    let tx = store.write_instance().await?;
    deactivate_in(tx, account, Some(scope)).await
}

/// Closes an account. For the operator.
///
/// # Errors
/// `NotFound`; `Conflict` where a workspace would be left without an owner.
pub async fn deactivate(store: &Store, address: &str) -> Result<AccountId> {
    let account = known(store, address).await?;
    deactivate_in(store.write_instance().await?, account, None).await?;
    Ok(account)
}

/// Opens an account again. For the operator.
///
/// # Errors
/// `NotFound`.
pub async fn reactivate(store: &Store, address: &str) -> Result<AccountId> {
    let account = known(store, address).await?;
    let tx = store.write_instance().await?;
    set(&tx, account, None).await?;
    let event = Event::new("account.reactivated").target("account", account.0);
    passwords::record(tx, account, None, &event).await?.commit().await?;
    Ok(account)
}

/// What goes before an account's row, whose id is `$1`: what opens it, and where it belongs.
pub(crate) const BEFORE_AN_ACCOUNT: [&str; 6] = [
    "DELETE FROM sessions WHERE account_id = $1",
    "DELETE FROM account_tickets WHERE account_id = $1",
    "DELETE FROM recovery_codes WHERE account_id = $1",
    "DELETE FROM second_factors WHERE account_id = $1",
    "DELETE FROM passkeys WHERE account_id = $1",
    "DELETE FROM memberships WHERE account_id = $1",
];

/// The workspaces that an account belongs to, for what else they hold about it.
///
/// # Errors
/// `NotFound`.
pub async fn workspaces_of(store: &Store, address: &str) -> Result<(AccountId, Vec<Scope>)> {
    let account = known(store, address).await?;
    let tx = store.read_instance().await?;
    let scopes = memberships_of(&tx, account).await?.into_iter();
    Ok((account, scopes.map(|row| Scope::duty(row.member_workspace_id, "account erasure")).collect()))
}

/// Erases an account and all that is kept with it. What others wrote about it stays under its id, which names nobody any
/// more. For the operator.
///
/// # Errors
/// `NotFound`; `Conflict` where a workspace would be left without an owner.
pub async fn erase(store: &Store, account: AccountId) -> Result<()> {
    let tx = store.write_instance().await?;
    require_other_owners(&tx, account).await?;
    let event = Event::new("account.erased").target("account", account.0);
    let tx = passwords::record(tx, account, None, &event).await?;
    sessions::end_everywhere(&tx, account, None, Because::AccountClosed).await?;
    remove_what_opens(&tx, account).await?;
    memberships::Entity::delete_many().filter(memberships::Column::AccountId.eq(account)).exec(tx.db()).await?;
    let gone = accounts::Entity::delete_by_id(account).exec(tx.db()).await?;
    if gone.rows_affected != 1 {
        return Err(Error::not_found("account"));
    }
    tx.commit().await?;
    store.purge_deleted_bytes().await
}

/// Takes away what opens an account: sessions, tickets, second factors.
pub(crate) async fn remove_what_opens(tx: &InstanceTx, account: AccountId) -> Result<()> {
    session_table::Entity::delete_many().filter(session_table::Column::AccountId.eq(account)).exec(tx.db()).await?;
    tickets::withdraw(tx, account, &[]).await?;
    second_factor::remove(tx, account).await
}

async fn deactivate_in(tx: InstanceTx, account: AccountId, by: Option<&Scope>) -> Result<()> {
    require_other_owners(&tx, account).await?;
    set(&tx, account, Some(tx.store().now())).await?;
    sessions::end_everywhere(&tx, account, None, Because::AccountClosed).await?;
    tickets::withdraw(&tx, account, &[]).await?;
    let event = Event::new("account.closed").target("account", account.0);
    passwords::record(tx, account, by, &event).await?.commit().await
}

async fn set(tx: &InstanceTx, account: AccountId, deactivated_at: Option<Timestamp>) -> Result<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::DeactivatedAt, Expr::value(deactivated_at))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// An owner who is the only one hands the workspace over first.
async fn require_other_owners(tx: &InstanceTx, account: AccountId) -> Result<()> {
    let owned = memberships_of(tx, account).await?.into_iter().filter(|row| row.role == Role::Owner.name());
    for workspace in owned.map(|row| row.member_workspace_id) {
        if !has_another_owner(tx, workspace, account).await? {
            let message = format!("{workspace} would have no owner. Make somebody else one first.");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
    }
    Ok(())
}

async fn has_another_owner(tx: &InstanceTx, workspace: WorkspaceId, account: AccountId) -> Result<bool> {
    let another = memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(workspace))
        .filter(memberships::Column::Role.eq(Role::Owner.name()))
        .filter(memberships::Column::SuspendedAt.is_null())
        .filter(memberships::Column::AccountId.ne(account))
        .one(tx.db())
        .await?;
    Ok(another.is_some())
}

async fn memberships_of(tx: &InstanceTx, account: AccountId) -> Result<Vec<memberships::Model>> {
    Ok(memberships::Entity::find().filter(memberships::Column::AccountId.eq(account)).all(tx.db()).await?)
}

async fn known(store: &Store, address: &str) -> Result<AccountId> {
    passwords::by_address(store, address).await?.map(|row| row.id).ok_or_else(|| Error::not_found("account"))
}
