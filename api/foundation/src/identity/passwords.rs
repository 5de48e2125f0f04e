//! Choosing another password: with the old one, or by a link that was mailed.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{
    SecretText, Whence, email,
    password::{self, Verdict},
    sessions::{self, Because},
    throttle,
    tickets::{self, Purpose},
    unauthenticated,
};
use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::{AccountId, SessionId, TicketId, WorkspaceId},
    scope::Scope,
    store::{
        InstanceTx, Store,
        entity::{accounts, memberships},
    },
};

/// What a ticket says that somebody asked for with an address.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    /// As it was typed.
    pub address: String,
}

/// Says nothing.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

/// Changes the member's password; their other sessions end, everywhere.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Unauthenticated` where the old password is not right; `Invalid`; `RateLimited`.
pub async fn change(scope: &Scope, store: &Store, old: &str, new: &str) -> Result<()> {
    let (account, session) = scope.member()?;
    throttle::take(store, throttle::CODES, account.0.as_bytes()).await?;
    password::check(new)?;
    let row = find(store, account).await?.ok_or_else(unauthenticated)?;
    if password::verify(old, Some(row.password_hash)).await? == Verdict::Wrong {
        return Err(Error::new(ErrorKind::Unauthenticated, "The password is not right."));
    }
    let hash = password::hash(new).await?;
    let tx = store.write_instance().await?;
    throttle::forgive(&tx, throttle::CODES, account.0.as_bytes()).await?;
    let tx = set(tx, account, hash, Some(session)).await?;
    let tx =
        record(tx, account, Some(scope), &Event::new("account.password_changed").target("account", account.0)).await?;
    tx.commit().await
}

/// Has a link mailed to whoever owns the address, if they have an account. Whether they do is seen from nothing here.
///
/// # Errors
/// `RateLimited`.
pub async fn request_reset(store: &Store, address: &str, whence: &Whence) -> Result<()> {
    let index = email::index_of_typed(store, address);
    throttle::take(store, throttle::MAILS, &index).await?;
    throttle::take_from(store, throttle::MAILS_FROM, whence).await?;
    let tx = store.write_instance().await?;
    tickets::mail(&tx, Purpose::ResetPassword, None, &Asked { address: address.to_owned() }).await?;
    tx.commit().await
}

/// A token to choose another password with, for the operator to hand over.
///
/// # Errors
/// `NotFound` where nobody has this address.
pub async fn reset_token(store: &Store, address: &str) -> Result<SecretText> {
    let account = by_address(store, address).await?.ok_or_else(|| Error::not_found("account"))?;
    let tx = store.write_instance().await?;
    let about = Asked { address: address.to_owned() };
    let issued = tickets::issue(&tx, Purpose::ResetPassword, account.id, &about).await?;
    tx.commit().await?;
    Ok(issued.token)
}

/// Chooses another password by the token of a link. All sessions end; the address counts as verified, since the link came
/// there.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with the token; `Invalid` for the password, which leaves the token as it is.
pub async fn reset(store: &Store, token: &str, new: &str) -> Result<()> {
    password::check(new)?;
    let shown = tickets::look_at::<Asked>(store, Purpose::ResetPassword, token).await?;
    let account = shown.account.ok_or_else(unauthenticated)?;
    let hash = password::hash(new).await?;
    let tx = store.write_instance().await?;
    tickets::claim::<Asked>(&tx, Purpose::ResetPassword, token).await?;
    let tx = set(tx, account, hash, None).await?;
    let tx = record(tx, account, None, &Event::new("account.password_reset").target("account", account.0)).await?;
    tx.commit().await
}

/// The new hash, the end of all other sessions and of every link that was mailed, and a word of it to the owner.
async fn set(tx: InstanceTx, account: AccountId, hash: String, but: Option<SessionId>) -> Result<InstanceTx> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::PasswordHash, Expr::value(hash))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.db())
        .await?;
    sessions::end_everywhere(&tx, account, but, Because::PasswordChanged).await?;
    tickets::withdraw(&tx, account, &[]).await?;
    let _: TicketId = tickets::mail(&tx, Purpose::TellPasswordChanged, Some(account), &Nothing {}).await?;
    Ok(tx)
}

/// Writes an event about an account into the audit log of each workspace that it belongs to. `by` is the member; without
/// it the owner of a link did it.
pub(super) async fn record(
    mut tx: InstanceTx,
    account: AccountId,
    by: Option<&Scope>,
    event: &Event,
) -> Result<InstanceTx> {
    let rows = memberships::Entity::find().filter(memberships::Column::AccountId.eq(account)).all(tx.db()).await?;
    let mut workspaces: Vec<WorkspaceId> = rows.into_iter().map(|row| row.member_workspace_id).collect();
    // Each log is locked until the end: always in one order.
    workspaces.sort();
    for workspace in workspaces {
        let scope = by.map_or_else(|| Scope::duty(workspace, "account link"), |by| by.as_in(workspace));
        let inside = tx.enter(workspace).await?;
        audit::append(&scope, &inside, event.clone()).await?;
        tx = inside.leave();
    }
    Ok(tx)
}

pub(super) async fn find(store: &Store, account: AccountId) -> Result<Option<accounts::Model>> {
    let tx = store.read_instance().await?;
    Ok(accounts::Entity::find_by_id(account).one(tx.db()).await?)
}

/// The account of an address, however it is typed.
pub(super) async fn by_address(store: &Store, address: &str) -> Result<Option<accounts::Model>> {
    let index = email::index_of_typed(store, address);
    let tx = store.read_instance().await?;
    Ok(accounts::Entity::find().filter(accounts::Column::EmailIndex.eq(index)).one(tx.db()).await?)
}
