//! Sessions: which are open, what they are called, and ending them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    id::{AccountId, SessionId, WorkspaceId},
    identity::{sessions, sign_in},
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    identity::SessionPayload,
    scalars::DateTime,
};

/// A session that is open. No address is kept.
#[derive(SimpleObject, Clone)]
pub struct OpenSession {
    /// Its id.
    pub id: ID,
    /// Whose.
    pub account_id: ID,
    /// In which workspace.
    pub workspace_id: ID,
    /// What the member calls it; null where they did not say, and for anyone else.
    pub name: Option<String>,
    /// The browser's family and major version, such as `Firefox 131`.
    pub agent: Option<String>,
    /// Signed in at.
    pub created_at: DateTime,
    /// Last used at, to the minute.
    pub last_used_at: DateTime,
    /// Ends at, however much it is used.
    pub expires_at: DateTime,
    /// Whether it may rest for fourteen days; otherwise it ends after half an hour of rest.
    pub stays_signed_in: bool,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// The issuer of the identity provider at which it began; null where it began here.
    pub issuer: Option<String>,
    /// How it was proved there (RFC 8176).
    pub amr: Vec<String>,
}

/// What to call which session.
#[derive(InputObject)]
pub struct NameSessionInput {
    /// A session of your own.
    pub session_id: ID,
    /// At most 100 characters; empty for none.
    #[graphql(secret)]
    pub name: String,
}

/// The session, or why it was not changed.
#[derive(SimpleObject)]
pub struct OpenSessionPayload {
    /// The session.
    pub session: Option<OpenSession>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Which session to end.
#[derive(InputObject)]
pub struct RevokeSessionInput {
    /// The session: one of your own, or with `WORKSPACE_WRITE` any of the workspace.
    pub session_id: ID,
}

/// Whose sessions to end.
#[derive(InputObject)]
pub struct RevokeAllSessionsInput {
    /// A member of the workspace, which needs `WORKSPACE_WRITE`; yourself, in all your workspaces, where it is left out.
    pub account_id: Option<ID>,
    /// Whether the session that asks goes on.
    pub keeps_current: Option<bool>,
}

/// How many sessions ended.
#[derive(SimpleObject)]
pub struct RevokeSessionsPayload {
    /// How many.
    pub revoked: i32,
    /// Why none.
    pub user_errors: Vec<UserError>,
}

/// Where to go.
#[derive(InputObject)]
pub struct SwitchWorkspaceInput {
    /// A workspace that the member who asks belongs to.
    pub workspace_id: ID,
}

/// Reading sessions.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The open sessions of the member who asks, in all their workspaces, the newest first; or those of another member in
    /// this workspace.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Another member of the workspace, which needs `WORKSPACE_WRITE`.")] account_id: Option<ID>,
    ) -> Result<Vec<OpenSession>> {
        let scope = ctx.somebody()?;
        let of = account_id.map(|id| AccountId::parse_or_unknown(&id));
        let open = sessions::list(&scope, ctx.store(), of).await.map_err(refuse)?;
        Ok(open.into_iter().map(OpenSession::from).collect())
    }
}

/// Naming and ending sessions.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Gives a session of one's own a name, to know it again in the list.
    async fn name_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: NameSessionInput,
    ) -> Result<OpenSessionPayload> {
        let scope = ctx.somebody()?;
        let session = SessionId::parse_or_unknown(&input.session_id);
        let (named, user_errors) = split(sessions::name(&scope, ctx.store(), session, &input.name).await)?;
        Ok(OpenSessionPayload { session: named.map(OpenSession::from), user_errors })
    }

    /// Ends a session at once: its next call is refused, its open streams close.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionsPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let session = SessionId::parse_or_unknown(&input.session_id);
        let (done, user_errors) = split(sessions::revoke(&scope, ctx.store(), session).await)?;
        Ok(RevokeSessionsPayload { revoked: i32::from(done.is_some()), user_errors })
    }

    /// Ends all sessions of oneself, or of a member of the workspace, as `revokeSession` does.
    async fn revoke_all_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RevokeAllSessionsInput,
    ) -> Result<RevokeSessionsPayload> {
        let scope = ctx.somebody()?;
        let of = input.account_id.map(|id| AccountId::parse_or_unknown(&id));
        let keeps_current = input.keeps_current.unwrap_or_default();
        let (done, user_errors) = split(sessions::revoke_all(&scope, ctx.store(), of, keeps_current).await)?;
        let revoked = i32::try_from(done.unwrap_or_default()).unwrap_or(i32::MAX);
        Ok(RevokeSessionsPayload { revoked, user_errors })
    }

    /// Goes over to another workspace of the member who asks: a session there in place of this one.
    async fn switch_workspace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SwitchWorkspaceInput,
    ) -> Result<SessionPayload> {
        let scope = ctx.somebody()?;
        scope.account_holder().map_err(refuse)?;
        let workspace = WorkspaceId::parse_or_unknown(&input.workspace_id);
        let switched = sign_in::switch_workspace(&scope, ctx.store(), workspace, ctx.whence()).await;
        SessionPayload::of(switched)
    }
}

impl From<sessions::ListedSession> for OpenSession {
    fn from(s: sessions::ListedSession) -> Self {
        Self {
            id: s.id.to_string().into(),
            account_id: s.account.to_string().into(),
            workspace_id: s.workspace.to_string().into(),
            name: s.name,
            agent: s.agent,
            created_at: s.created_at.into(),
            last_used_at: s.last_used_at.into(),
            expires_at: s.expires_at.into(),
            stays_signed_in: s.stays_signed_in,
            is_current: s.is_current,
            issuer: s.issuer,
            amr: s.amr,
        }
    }
}
