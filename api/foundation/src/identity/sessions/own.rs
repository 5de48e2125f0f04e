//! What a member sees of sessions, and ends: their own everywhere, and, as an administrator, those of the workspace.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::{Because, end, end_all, event, live_at};
use crate::{
    audit,
    clock::Timestamp,
    error::{Error, Result},
    id::{AccountId, SessionId, WorkspaceId},
    scope::{Actor, Permission, Scope},
    store::{Mode, Store, entity::sessions},
    vault::Place,
};

/// Longest name of a session, in characters.
const LONGEST_NAME: usize = 100;

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// What the member calls it; nobody else sees that.
    pub name: Option<String>,
    /// A browser's family and major version.
    pub agent: Option<String>,
    /// Signed in at.
    pub created_at: Timestamp,
    /// Used at, to the minute.
    pub last_used_at: Timestamp,
    /// Ends at, however much it is used.
    pub expires_at: Timestamp,
    /// Whether it may rest for days.
    pub stays_signed_in: bool,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// At whose provider they signed in, if not here.
    pub issuer: Option<String>,
    /// How it was proved there.
    pub amr: Vec<String>,
}

/// The open sessions of the signed-in member, in all their workspaces, or those of another member in the scope's
/// workspace; the newest first. Whoever came by single sign-on sees those of the scope's workspace.
///
/// # Errors
/// `Forbidden` for anyone but a member, and for another's without `WORKSPACE_WRITE`.
pub async fn list(scope: &Scope, store: &Store, of: Option<AccountId>) -> Result<Vec<ListedSession>> {
    let (own, current) = scope.member()?;
    let account = of.unwrap_or(own);
    let mut query = sessions::Entity::find()
        .filter(sessions::Column::AccountId.eq(account))
        .filter(live_at(store.now()))
        .order_by_desc(sessions::Column::CreatedAt)
        .order_by_desc(sessions::Column::Id);
    if account != own {
        scope.require(Permission::WorkspaceWrite)?;
    }
    if account != own || scope.is_signed_on() {
        query = query.filter(sessions::Column::MemberWorkspaceId.eq(scope.workspace()));
    }
    let tx = store.read_instance().await?;
    let rows = query.all(tx.db()).await?;
    rows.into_iter().map(|row| listed(store, row, own, current)).collect()
}

/// Gives a session of one's own a name; an empty one takes it away.
///
/// # Errors
/// `Forbidden` for anyone but a member; `NotFound`; `Invalid`.
pub async fn name(scope: &Scope, store: &Store, session: SessionId, name: &str) -> Result<ListedSession> {
    let (own, current) = scope.member()?;
    let name = name.trim();
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "The name may have at most 100 characters."));
    }
    let is_theirs = |row: &sessions::Model| row.account_id == own && is_within(scope, row);
    let row = find_live(store, session).await?.filter(is_theirs).ok_or_else(unknown)?;
    let sealed = (!name.is_empty()).then(|| store.vault().instance_key().seal_text(&place(session), name));
    let tx = store.begin_in(row.member_workspace_id, Mode::Write).await?;
    sessions::Entity::update_many()
        .col_expr(sessions::Column::NameSealed, Expr::value(sealed.clone()))
        .filter(sessions::Column::Id.eq(session))
        .exec(tx.db())
        .await?;
    audit::append(&scope.as_in(row.member_workspace_id), &tx, event("session.named", session)).await?;
    tx.commit().await?;
    listed(store, sessions::Model { name_sealed: sealed, ..row }, own, current)
}

/// Ends a session of one's own or, with `WORKSPACE_WRITE`, any of the workspace. Its open sockets close.
///
/// # Errors
/// `NotFound` where there is no such live session, or not for this scope.
pub async fn revoke(scope: &Scope, store: &Store, session: SessionId) -> Result<()> {
    end_for(scope, store, session, Because::Revoked).await
}

/// Ends the session that signed in with this scope.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn sign_out(scope: &Scope, store: &Store) -> Result<()> {
    let (_, session) = scope.member()?;
    end_for(scope, store, session, Because::SignedOut).await
}

/// Ends all sessions of the signed-in member, in all their workspaces, but perhaps the one that asks; or all those of
/// another member in the scope's workspace. Says how many.
///
/// # Errors
/// `Forbidden` for anyone but a member, and for another's without `WORKSPACE_WRITE`.
pub async fn revoke_all(scope: &Scope, store: &Store, of: Option<AccountId>, keeps_current: bool) -> Result<u64> {
    let (own, current) = scope.member()?;
    let account = of.unwrap_or(own);
    let workspaces = if account == own && !scope.is_signed_on() {
        workspaces_of(store, account).await?
    } else if account == own {
        BTreeSet::from([scope.workspace()])
    } else {
        scope.require(Permission::WorkspaceWrite)?;
        BTreeSet::from([scope.workspace()])
    };
    let mut all = 0;
    for workspace in workspaces {
        let tx = store.begin_in(workspace, Mode::Write).await?;
        let ended = end_all(&tx, account, keeps_current.then_some(current), Because::Revoked).await?;
        if ended > 0 {
            let event = audit::Event::new("session.all_revoked").target("account", account.0);
            audit::append(&scope.as_in(workspace), &tx, event.detail("sessions", ended)).await?;
        }
        tx.commit().await?;
        all += ended;
    }
    Ok(all)
}

async fn end_for(scope: &Scope, store: &Store, session: SessionId, because: Because) -> Result<()> {
    let row = find_live(store, session).await?.ok_or_else(unknown)?;
    let is_own = matches!(scope.actor(), Actor::Member { account, .. } if account == row.account_id);
    let is_own = is_own && is_within(scope, &row);
    let runs_workspace =
        row.member_workspace_id == scope.workspace() && scope.permissions().has(Permission::WorkspaceWrite);
    if !is_own && !runs_workspace {
        return Err(unknown());
    }
    let tx = store.begin_in(row.member_workspace_id, Mode::Write).await?;
    if !end(&tx, session, because).await? {
        return Err(unknown());
    }
    let event = event("session.revoked", session).detail("because", because.name());
    audit::append(&scope.as_in(row.member_workspace_id), &tx, event).await?;
    tx.commit().await
}

/// A workspace's identity provider vouches for that workspace.
fn is_within(scope: &Scope, row: &sessions::Model) -> bool {
    !scope.is_signed_on() || row.member_workspace_id == scope.workspace()
}

async fn find_live(store: &Store, session: SessionId) -> Result<Option<sessions::Model>> {
    let tx = store.read_instance().await?;
    Ok(sessions::Entity::find_by_id(session).filter(live_at(store.now())).one(tx.db()).await?)
}

/// Where an account has open sessions, in the order in which several workspaces are written to.
async fn workspaces_of(store: &Store, account: AccountId) -> Result<BTreeSet<WorkspaceId>> {
    let tx = store.read_instance().await?;
    let rows = sessions::Entity::find()
        .filter(sessions::Column::AccountId.eq(account))
        .filter(live_at(store.now()))
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.member_workspace_id).collect())
}

fn listed(store: &Store, row: sessions::Model, own: AccountId, current: SessionId) -> Result<ListedSession> {
    let name = match row.name_sealed.filter(|_| row.account_id == own) {
        Some(sealed) => Some(store.vault().instance_key().open_text(&place(row.id), &sealed)?),
        None => None,
    };
    Ok(ListedSession {
        id: row.id,
        account: row.account_id,
        workspace: row.member_workspace_id,
        name,
        agent: row.agent,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        stays_signed_in: row.stays_signed_in,
        is_current: row.id == current,
        issuer: row.provider_issuer,
        amr: row.provider_amr.iter().flat_map(|amr| amr.split_whitespace()).map(str::to_owned).collect(),
    })
}

fn place(session: SessionId) -> Place {
    Place::instance("sessions", "name_sealed", session.0)
}

fn unknown() -> Error {
    Error::not_found("session")
}
