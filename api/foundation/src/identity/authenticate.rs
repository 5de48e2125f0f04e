//! From a request's `Authorization` header to a [`Scope`]. The only door: nothing else makes one for a request.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Role,
    api_keys::{self, ApiKeyKind},
    sessions,
    tokens::{self, AccessClaims, PersonClaims, TokenKind, VisitorClaims},
    unauthenticated, visitors,
};
use crate::{
    clock::Timestamp,
    error::Result,
    privacy::requests::identity_check,
    scope::{Actor, Permissions, Scope},
    store::{Mode, Store},
    workspaces,
};

/// A key has no short-lived token, so whoever holds a connection open asks again after this.
const KEY_RELIED_ON: Duration = Duration::from_secs(10 * 60);

/// As what somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticatedAs {
    /// A member with this role.
    Member(Role),
    /// A program with a secret API key.
    ApiKey,
    /// A visitor.
    Visitor,
    /// Somebody who asked about their data and proved that it was them.
    Person,
}

/// Somebody who came in.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Whose data may be touched, by whom, for what.
    pub scope: Scope,
    /// Until when this may be relied on without asking again.
    pub expires_at: Timestamp,
    /// As what.
    pub kind: AuthenticatedAs,
    /// What this rests on: a notice about one of these is a reason to look again.
    pub rests_on: Vec<Uuid>,
}

/// Reads an `Authorization` header (RFC 6750): an access token, a visitor token or a secret API key. The rows decide:
/// a session, membership, key or person that does not hold any more is refused though the token is in order. A
/// publishable key opens nothing here.
///
/// # Errors
/// `Unauthenticated` with one message, whatever is wrong; `Unavailable`.
pub async fn authenticate(store: &Store, authorization: Option<&str>) -> Result<Option<Authenticated>> {
    come_in(store, authorization, Coming::ToUse).await
}

/// As [`authenticate`], only to see whether it still holds: a session is not used by that.
///
/// # Errors
/// As [`authenticate`].
pub async fn look_again(store: &Store, authorization: Option<&str>) -> Result<Option<Authenticated>> {
    come_in(store, authorization, Coming::ToLook).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coming {
    ToUse,
    ToLook,
}

async fn come_in(store: &Store, authorization: Option<&str>, coming: Coming) -> Result<Option<Authenticated>> {
    let Some(header) = authorization else { return Ok(None) };
    let credential = bearer(header).ok_or_else(unauthenticated)?;
    let somebody = if credential.starts_with(ApiKeyKind::Secret.prefix()) {
        api_key(store, credential).await?
    } else {
        match TokenKind::of(credential).ok_or_else(unauthenticated)? {
            TokenKind::Access => member(store, credential, coming).await?,
            TokenKind::Visitor => visitor(store, credential).await?,
            TokenKind::Person => person(store, credential).await?,
        }
    };
    Ok(Some(somebody))
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, credential) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential)
}

async fn member(store: &Store, token: &str, coming: Coming) -> Result<Authenticated> {
    let tx = store.read_instance().await?;
    let verified = tokens::verify::<AccessClaims>(&tx, TokenKind::Access, token).await?;
    let claims = verified.claims;
    let live = sessions::find_live(&tx, claims.session, store.now()).await?.ok_or_else(unauthenticated)?;
    let is_same = live.session.account_id == claims.sub && live.session.member_workspace_id == claims.workspace;
    if !is_same || !live.accepts_generation(claims.generation) {
        return Err(unauthenticated());
    }
    let is_closing = workspaces::is_closing(&tx, claims.workspace).await?;
    drop(tx);
    if coming == Coming::ToUse {
        live.note_use(store).await;
    }
    Ok(Authenticated {
        scope: live.scope().closing(is_closing),
        expires_at: verified.expires_at.min(live.session.expires_at),
        kind: AuthenticatedAs::Member(live.role),
        rests_on: vec![live.session.id.0],
    })
}

async fn api_key(store: &Store, text: &str) -> Result<Authenticated> {
    let (workspace, key) = api_keys::by_text(store, text, ApiKeyKind::Secret).await?;
    let relied_on = store.now().plus(KEY_RELIED_ON);
    let is_closing = workspaces::is_closing(&store.read_instance().await?, workspace).await?;
    Ok(Authenticated {
        scope: Scope::new(workspace, Actor::ApiKey(key.id), key.permissions).closing(is_closing),
        expires_at: key.expires_at.map_or(relied_on, |end| end.min(relied_on)),
        kind: AuthenticatedAs::ApiKey,
        rests_on: vec![key.id.0],
    })
}

async fn visitor(store: &Store, token: &str) -> Result<Authenticated> {
    let instance = store.read_instance().await?;
    let verified = tokens::verify::<VisitorClaims>(&instance, TokenKind::Visitor, token).await?;
    drop(instance);
    let claims = verified.claims;
    let tx = store.begin_in(claims.workspace, Mode::Read).await?;
    if !visitors::is_live(&tx, &claims).await? {
        return Err(unauthenticated());
    }
    let is_closing = workspaces::is_closing(&tx, claims.workspace).await?;
    let actor = Actor::Visitor { visitor: claims.sub, subject: claims.subject, assistant: claims.assistant };
    Ok(Authenticated {
        scope: Scope::new(claims.workspace, actor, Role::Visitor.permissions()).closing(is_closing),
        expires_at: verified.expires_at,
        kind: AuthenticatedAs::Visitor,
        rests_on: [Some(claims.subject.0), claims.key.map(|key| key.0), claims.vouched_by.map(|key| key.0)]
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// No permission comes with it: what a person may do about their own data asks for none.
async fn person(store: &Store, token: &str) -> Result<Authenticated> {
    let instance = store.read_instance().await?;
    let verified = tokens::verify::<PersonClaims>(&instance, TokenKind::Person, token).await?;
    drop(instance);
    let claims = verified.claims;
    let tx = store.begin_in(claims.workspace, Mode::Read).await?;
    let subject = identity_check::person_of(&tx, claims.sub).await?.ok_or_else(unauthenticated)?;
    let actor = Actor::Person { request: claims.sub, subject };
    Ok(Authenticated {
        scope: Scope::new(claims.workspace, actor, Permissions::default()),
        expires_at: verified.expires_at,
        kind: AuthenticatedAs::Person,
        rests_on: vec![subject.0],
    })
}
