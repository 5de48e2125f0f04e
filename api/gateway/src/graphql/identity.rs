//! Signing in, sessions, API keys, visitors.

use std::time::Duration;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::assistants;
use consigne_foundation::{
    Error, Permission, Scope,
    id::{ApiKeyId, AssistantId, WorkspaceId},
    identity::{Entered, SignIn, accounts, api_keys, sessions, sign_in, visitors},
    privacy::identifiers::Volunteered,
    scope::Actor,
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split, split_credentials},
    names::{ActorKind, PermissionName, RoleName},
    scalars::DateTime,
    second_factor::proof,
};

/// Who asks, and what they may do.
#[derive(SimpleObject)]
pub struct Viewer {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The account, the key, the visitor or the request.
    pub actor_id: ID,
    /// The workspace that the token is for.
    pub workspace_id: ID,
    /// What is allowed.
    pub permissions: Vec<PermissionName>,
    /// The person, where a visitor or somebody who proved who they are asks: what an erasure takes.
    pub subject_id: Option<ID>,
    /// The only assistant a visitor may ask.
    pub assistant_id: Option<ID>,
}

/// A way in: a short access token and a refresh token that changes at each use.
#[derive(SimpleObject)]
pub struct Session {
    /// For the `Authorization` header, after `Bearer`; lives ten minutes.
    pub access_token: String,
    /// When the access token ends.
    pub access_token_expires_at: DateTime,
    /// For `refreshSession`, once; using it again later revokes the session.
    pub refresh_token: String,
    /// The account.
    pub account_id: ID,
    /// The workspace.
    pub workspace_id: ID,
    /// What the account is there.
    pub role: RoleName,
}

/// What signing in takes.
#[derive(InputObject)]
pub struct SignInInput {
    /// The e-mail address.
    #[graphql(secret)]
    pub email: String,
    /// The password.
    #[graphql(secret)]
    pub password: String,
    /// The workspace to sign in to; the first one the account joined where it is left out.
    pub workspace_id: Option<ID>,
    /// Whether the session may rest for fourteen days and last thirty; otherwise it ends after half an hour of rest, and
    /// after twelve hours.
    pub stays_signed_in: Option<bool>,
}

/// A session, or what is missing for one, or why there is none.
#[derive(SimpleObject)]
pub struct SignInPayload {
    /// The session.
    pub session: Option<Session>,
    /// The account has a second factor, which `completeSignIn` takes.
    pub second_step: Option<SecondStep>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// The second step of a sign-in.
#[derive(SimpleObject)]
pub struct SecondStep {
    /// To show with a code of the authenticator, or to `beginPasskeySecondStep`; works once.
    pub sign_in_token: String,
    /// Until when.
    pub expires_at: DateTime,
    /// What the account has.
    pub methods: Vec<SecondFactorMethod>,
}

/// By what the second step of a sign-in is taken.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "consigne_foundation::identity::second_factor::Method")]
pub enum SecondFactorMethod {
    /// A code of the authenticator.
    Code,
    /// A passkey.
    Passkey,
    /// A recovery code.
    RecoveryCode,
}

/// What the second step of a sign-in takes: a code of the authenticator, or a recovery code.
#[derive(InputObject)]
pub struct CompleteSignInInput {
    /// The token of the first step.
    #[graphql(secret)]
    pub sign_in_token: String,
    /// A code of the authenticator.
    #[graphql(secret)]
    pub code: Option<String>,
    /// A recovery code.
    #[graphql(secret)]
    pub recovery_code: Option<String>,
}

/// A session, or why there is none.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// The session.
    pub session: Option<Session>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// What refreshing a session takes.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The refresh token of the last sign-in or refresh.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// Whether it was done.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// Whether the session is over.
    pub is_signed_out: bool,
    /// Why not.
    pub user_errors: Vec<UserError>,
}

/// What a page needs to let a visitor in.
#[derive(InputObject)]
pub struct StartVisitorSessionInput {
    /// The publishable key of the page.
    #[graphql(secret)]
    pub publishable_key: String,
    /// The visitor token of an earlier session, to go on as the same visitor.
    #[graphql(secret)]
    pub visitor_token: Option<String>,
    /// A JWT by which the customer's own server says who the visitor is (`addVisitorSigningKey`), at most fifteen minutes
    /// old. It stands in for the visitor token: whom one was shown for goes on with the next one and with nothing else.
    #[graphql(secret)]
    pub identity_token: Option<String>,
}

/// A visitor's way in: bound to the workspace, the visitor and one assistant.
#[derive(SimpleObject)]
pub struct VisitorSession {
    /// For the `Authorization` header, after `Bearer`; lives thirty minutes.
    pub visitor_token: String,
    /// When the token ends.
    pub expires_at: DateTime,
    /// The visitor.
    pub visitor_id: ID,
    /// The person, as the workspace holds data about them: what an erasure takes.
    pub subject_id: ID,
    /// The only assistant that may be asked.
    pub assistant_id: ID,
}

/// A visitor session, or why there is none.
#[derive(SimpleObject)]
pub struct VisitorSessionPayload {
    /// The session.
    pub visitor_session: Option<VisitorSession>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// What the customer's own server needs to let a visitor in.
#[derive(InputObject)]
pub struct CreateVisitorTokenInput {
    /// The assistant that the visitor may ask.
    pub assistant_id: ID,
    /// The id that the customer's own systems know the person by: on every device the same person.
    #[graphql(secret)]
    pub external_id: Option<String>,
    /// The person's e-mail address, where they gave it.
    #[graphql(secret)]
    pub email: Option<String>,
    /// The person's telephone number, where they gave it.
    #[graphql(secret)]
    pub phone: Option<String>,
    /// The visitor token of an earlier session, to go on as the same visitor.
    #[graphql(secret)]
    pub visitor_token: Option<String>,
}

/// Secret or publishable.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyKind {
    /// For a program on the customer's server.
    Secret,
    /// For pages of the customer's site: starts visitor sessions and nothing else.
    Publishable,
}

/// An API key, without its secret.
#[derive(SimpleObject, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: ID,
    /// Secret or publishable.
    pub kind: ApiKeyKind,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<PermissionName>,
    /// The only assistant that a publishable key opens.
    pub assistant_id: Option<ID>,
    /// Pages that may use a publishable key.
    pub origins: Vec<String>,
    /// Made at.
    pub created_at: DateTime,
    /// Ends at.
    pub expires_at: Option<DateTime>,
    /// Revoked at.
    pub revoked_at: Option<DateTime>,
    /// The day it was last used on; no finer, for the sake of those who use it.
    pub last_used_at: Option<DateTime>,
    /// The key that took its place.
    pub replaced_by_id: Option<ID>,
}

/// Which key to replace.
#[derive(InputObject)]
pub struct RotateApiKeyInput {
    /// The key.
    pub api_key_id: ID,
    /// Hours that it goes on beside the new one, 0 to 720; twenty-four where it is left out.
    pub overlap_hours: Option<i32>,
}

/// What making a secret key takes.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// What people call it.
    pub name: String,
    /// What it may do; within what you may do.
    pub permissions: Vec<PermissionName>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime>,
}

/// What making a publishable key takes.
#[derive(InputObject)]
pub struct CreatePublishableKeyInput {
    /// What people call it.
    pub name: String,
    /// The only assistant it opens.
    pub assistant_id: ID,
    /// Pages that may use it, as `https://www.example.com`; no wildcards.
    pub origins: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime>,
}

/// A new key, or why there is none.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The key.
    pub api_key: Option<ApiKey>,
    /// Its text, shown this once.
    pub secret: Option<String>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Which key to revoke.
#[derive(InputObject)]
pub struct RevokeApiKeyInput {
    /// The key.
    pub api_key_id: ID,
}

/// The revoked key, or why it is not.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The key.
    pub api_key: Option<ApiKey>,
    /// Why it is not revoked.
    pub user_errors: Vec<UserError>,
}

/// Reading one's own identity and the keys.
#[derive(Default)]
pub struct IdentityQuery;

#[Object]
impl IdentityQuery {
    /// Who asks, and what they may do.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let scope = ctx.somebody()?;
        Viewer::of(&scope)
    }

    /// The keys of the workspace, newest first, revoked ones too; never their secrets.
    async fn api_keys(&self, ctx: &Context<'_>) -> Result<Vec<ApiKey>> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let keys = api_keys::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(keys.into_iter().map(ApiKey::from).collect())
    }
}

/// Signing in and out; making and revoking keys.
#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Signs a member in. The answer to a wrong address and to a wrong password is the same. Where the account has a
    /// second factor, a right password gives no session but `secondStep`.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignInInput,
    ) -> Result<SignInPayload> {
        let sign_in = SignIn {
            email: &input.email,
            password: &input.password,
            workspace: input.workspace_id.as_ref().map(|id| WorkspaceId::parse_or_unknown(id)),
            stays_signed_in: input.stays_signed_in.unwrap_or_default(),
            whence: ctx.whence(),
        };
        let (entered, user_errors) = split_credentials(sign_in::begin(ctx.store(), sign_in).await)?;
        let (session, second_step) = match entered {
            Some(Entered::SignedIn(signed_in)) => (Some(Session::from(signed_in)), None),
            Some(Entered::SecondStep { token, expires_at, methods }) => {
                let step = SecondStep {
                    sign_in_token: token.expose().to_owned(),
                    expires_at: expires_at.into(),
                    methods: methods.into_iter().map(SecondFactorMethod::from).collect(),
                };
                (None, Some(step))
            }
            None => (None, None),
        };
        Ok(SignInPayload { session, second_step, user_errors })
    }

    /// The second step of a sign-in: a code of the authenticator, or a recovery code. Each code works once; a wrong one
    /// leaves the token as it is.
    async fn complete_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CompleteSignInInput,
    ) -> Result<SessionPayload> {
        let proof = match proof(input.code, input.recovery_code, None) {
            Ok(proof) => proof,
            Err(error) => return SessionPayload::of(Err(error)),
        };
        SessionPayload::of(sign_in::complete(ctx.store(), &input.sign_in_token, &proof, ctx.whence()).await)
    }

    /// Changes a refresh token for a new session. Each token works once; late reuse revokes the session.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RefreshSessionInput,
    ) -> Result<SessionPayload> {
        SessionPayload::of(sessions::refresh(ctx.store(), &input.refresh_token).await)
    }

    /// Ends the session that asks, at once, open streams included.
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        let scope = ctx.somebody()?;
        let (done, user_errors) = split(sessions::sign_out(&scope, ctx.store()).await)?;
        Ok(SignOutPayload { is_signed_out: done.is_some(), user_errors })
    }

    /// Lets a visitor in from a page of the customer's site. The page's `Origin` has to be on the key's list.
    async fn start_visitor_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: StartVisitorSessionInput,
    ) -> Result<VisitorSessionPayload> {
        let earlier = input.visitor_token.as_deref();
        let identity = input.identity_token.as_deref();
        let started = visitors::start(ctx.store(), &input.publishable_key, ctx.origin(), earlier, identity).await;
        VisitorSessionPayload::of(started)
    }

    /// Lets a visitor in from the customer's own server.
    async fn create_visitor_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateVisitorTokenInput,
    ) -> Result<VisitorSessionPayload> {
        let scope = ctx.scope(Permission::VisitorsWrite)?;
        let assistant = AssistantId::parse_or_unknown(&input.assistant_id);
        if let Err(unknown) = assistants::require_known(&scope, ctx.store(), assistant).await {
            return VisitorSessionPayload::of(Err(unknown));
        }
        let volunteered = Volunteered { external_id: input.external_id, email: input.email, phone: input.phone };
        let earlier = input.visitor_token.as_deref();
        let started = visitors::start_for(&scope, ctx.store(), assistant, earlier, volunteered).await;
        VisitorSessionPayload::of(started)
    }

    /// Makes a secret key for a program. Its text is shown this once.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let permissions = input.permissions.into_iter().map(Permission::from).collect();
        let new =
            api_keys::NewApiKey::Secret { name: input.name, permissions, expires_at: input.expires_at.map(|at| at.0) };
        CreateApiKeyPayload::of(api_keys::create(&scope, ctx.store(), new).await)
    }

    /// Makes a publishable key for pages of the customer's site.
    async fn create_publishable_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreatePublishableKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let assistant = AssistantId::parse_or_unknown(&input.assistant_id);
        if let Err(unknown) = assistants::require_known(&scope, ctx.store(), assistant).await {
            return CreateApiKeyPayload::of(Err(unknown));
        }
        let expires_at = input.expires_at.map(|at| at.0);
        let new = api_keys::NewApiKey::Publishable { name: input.name, assistant, origins: input.origins, expires_at };
        CreateApiKeyPayload::of(api_keys::create(&scope, ctx.store(), new).await)
    }

    /// Makes a key of the same name that may do the same, and lets the old one go on for a while. Needs a confirmed session.
    async fn rotate_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RotateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let key = ApiKeyId::parse_or_unknown(&input.api_key_id);
        let Ok(hours) = u64::try_from(input.overlap_hours.unwrap_or(24)) else {
            return CreateApiKeyPayload::of(Err(Error::invalid("overlapHours", "Hours are not negative.")));
        };
        let overlap = Duration::from_secs(hours * 3600);
        CreateApiKeyPayload::of(api_keys::rotate(&scope, ctx.store(), key, overlap).await)
    }

    /// Revokes a key, at once.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let key = ApiKeyId::parse_or_unknown(&input.api_key_id);
        let (revoked, user_errors) = split(api_keys::revoke(&scope, ctx.store(), key).await)?;
        Ok(RevokeApiKeyPayload { api_key: revoked.map(ApiKey::from), user_errors })
    }
}

impl Viewer {
    fn of(scope: &Scope) -> Result<Self> {
        let (kind, actor_id, assistant_id) = match scope.actor() {
            Actor::Member { account, .. } => (ActorKind::Member, account.to_string(), None),
            Actor::ApiKey(key) => (ActorKind::ApiKey, key.to_string(), None),
            Actor::Visitor { visitor, assistant, .. } => (ActorKind::Visitor, visitor.to_string(), Some(assistant)),
            Actor::Person { request, .. } => (ActorKind::Person, request.to_string(), None),
            Actor::Duty(_) => return Err(refuse(Error::internal("a duty asked over GraphQL"))),
        };
        Ok(Self {
            kind,
            actor_id: actor_id.into(),
            workspace_id: scope.workspace().to_string().into(),
            permissions: scope.permissions().list().into_iter().map(PermissionName::from).collect(),
            subject_id: scope.subject().map(|s| s.to_string().into()),
            assistant_id: assistant_id.map(|a| a.to_string().into()),
        })
    }
}

impl SessionPayload {
    pub(super) fn of(result: consigne_foundation::Result<accounts::SignedIn>) -> Result<Self> {
        let (signed_in, user_errors) = split_credentials(result)?;
        Ok(Self { session: signed_in.map(Session::from), user_errors })
    }
}

/// The session that was opened, or until when the one that asked is confirmed.
pub(super) fn session_or_moment(completed: Option<sign_in::Completed>) -> (Option<Session>, Option<DateTime>) {
    match completed {
        Some(sign_in::Completed::SignedIn(signed_in)) => (Some(Session::from(signed_in)), None),
        Some(sign_in::Completed::Confirmed(until)) => (None, Some(until.into())),
        None => (None, None),
    }
}

impl From<accounts::SignedIn> for Session {
    fn from(s: accounts::SignedIn) -> Self {
        Self {
            access_token: s.access_token.expose().to_owned(),
            access_token_expires_at: s.expires_at.into(),
            refresh_token: s.refresh_token.expose().to_owned(),
            account_id: s.account.to_string().into(),
            workspace_id: s.workspace.to_string().into(),
            role: s.role.into(),
        }
    }
}

impl VisitorSessionPayload {
    fn of(result: consigne_foundation::Result<visitors::VisitorSession>) -> Result<Self> {
        let (started, user_errors) = split_credentials(result)?;
        let visitor_session = started.map(|s| VisitorSession {
            visitor_token: s.token.expose().to_owned(),
            expires_at: s.expires_at.into(),
            visitor_id: s.visitor.to_string().into(),
            subject_id: s.subject.to_string().into(),
            assistant_id: s.assistant.to_string().into(),
        });
        Ok(Self { visitor_session, user_errors })
    }
}

impl CreateApiKeyPayload {
    fn of(
        result: consigne_foundation::Result<(api_keys::ApiKey, consigne_foundation::identity::SecretText)>,
    ) -> Result<Self> {
        let (created, user_errors) = split(result)?;
        let (api_key, secret) = created.map(|(key, text)| (ApiKey::from(key), text.expose().to_owned())).unzip();
        Ok(Self { api_key, secret, user_errors })
    }
}

impl From<api_keys::ApiKey> for ApiKey {
    fn from(key: api_keys::ApiKey) -> Self {
        Self {
            id: key.id.to_string().into(),
            kind: match key.kind {
                api_keys::ApiKeyKind::Secret => ApiKeyKind::Secret,
                api_keys::ApiKeyKind::Publishable => ApiKeyKind::Publishable,
            },
            name: key.name,
            permissions: key.permissions.list().into_iter().map(PermissionName::from).collect(),
            assistant_id: key.assistant.map(|a| a.to_string().into()),
            origins: key.origins,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(DateTime::from),
            revoked_at: key.revoked_at.map(DateTime::from),
            replaced_by_id: key.replaced_by.map(|id| id.to_string().into()),
            last_used_at: key.last_used_day.map(|day| DateTime(consigne_foundation::Timestamp(day * 86_400_000))),
        }
    }
}
