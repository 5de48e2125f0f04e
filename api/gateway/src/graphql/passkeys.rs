//! Passkeys: registering, naming and removing them, and what one opens.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use consigne_foundation::{
    id::{PasskeyId, WorkspaceId},
    identity::passkeys::{self, Begun, enter, register},
};
use serde_json::Value;

use super::{
    context::ContextExt,
    error::{UserError, refuse, split, split_credentials},
    identity::{Session, session_or_moment},
    scalars::DateTime,
    second_factor::shown,
};

/// A passkey of the member who asks.
#[derive(SimpleObject, Clone)]
pub struct Passkey {
    /// Its id.
    pub id: ID,
    /// What the member calls it.
    pub name: Option<String>,
    /// Whether it is on several devices, copied by whoever made the authenticator.
    pub is_backed_up: bool,
    /// Registered at.
    pub created_at: DateTime,
    /// Last used at.
    pub last_used_at: Option<DateTime>,
}

/// What the browser is to ask an authenticator, or why nothing.
#[derive(SimpleObject)]
pub struct BeginPasskeyPayload {
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` where a passkey is registered, else for
    /// `parseRequestOptionsFromJSON` (W3C Web Authentication Level 3).
    pub options: Option<Json<Value>>,
    /// To be shown with the answer, by the page that asked; works once.
    pub passkey_token: Option<String>,
    /// Until when.
    pub expires_at: Option<DateTime>,
    /// Why nothing.
    pub user_errors: Vec<UserError>,
}

/// What the authenticator made.
#[derive(InputObject)]
pub struct RegisterPasskeyInput {
    /// What `beginPasskeyRegistration` gave.
    #[graphql(secret)]
    pub passkey_token: String,
    /// `PublicKeyCredential.toJSON()` of what `navigator.credentials.create()` gave.
    #[graphql(secret)]
    pub credential: Json<Value>,
    /// What to call it, at most 100 characters.
    #[graphql(secret)]
    pub name: Option<String>,
}

/// The passkey, or why there is none.
#[derive(SimpleObject)]
pub struct RegisterPasskeyPayload {
    /// The passkey.
    pub passkey: Option<Passkey>,
    /// Ten codes for whoever loses it, each of which works once; shown this once, where the account had no second factor before.
    pub recovery_codes: Option<Vec<String>>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// What to call which passkey.
#[derive(InputObject)]
pub struct RenamePasskeyInput {
    /// A passkey of your own.
    pub passkey_id: ID,
    /// At most 100 characters; empty for none.
    #[graphql(secret)]
    pub name: String,
}

/// The passkey, or why it was not changed.
#[derive(SimpleObject)]
pub struct PasskeyPayload {
    /// The passkey.
    pub passkey: Option<Passkey>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Which passkey to take away.
#[derive(InputObject)]
pub struct RemovePasskeyInput {
    /// A passkey of your own.
    pub passkey_id: ID,
}

/// Whether it was taken away.
#[derive(SimpleObject)]
pub struct RemovePasskeyPayload {
    /// Whether it is gone.
    pub is_removed: bool,
    /// Why not.
    pub user_errors: Vec<UserError>,
}

/// How to sign in.
#[derive(InputObject)]
pub struct BeginPasskeySignInInput {
    /// The workspace to sign in to; the first one the account joined where it is left out.
    pub workspace_id: Option<ID>,
    /// Whether the session may rest for fourteen days and last thirty, as in `signIn`.
    pub stays_signed_in: Option<bool>,
}

/// The first step of a sign-in.
#[derive(InputObject)]
pub struct BeginPasskeySecondStepInput {
    /// What `signIn` gave as `secondStep`.
    #[graphql(secret)]
    pub sign_in_token: String,
}

/// What the authenticator answered.
#[derive(InputObject)]
pub struct CompletePasskeyInput {
    /// What the mutation gave that began it.
    #[graphql(secret)]
    pub passkey_token: String,
    /// `PublicKeyCredential.toJSON()` of what `navigator.credentials.get()` gave.
    #[graphql(secret)]
    pub credential: Json<Value>,
}

/// A session, or the confirmation of the one that asked, or why there is neither.
#[derive(SimpleObject)]
pub struct CompletePasskeyPayload {
    /// The session of a sign-in.
    pub session: Option<Session>,
    /// Until when the session that asked counts as confirmed, after `beginPasskeyConfirmation`.
    pub confirmed_until: Option<DateTime>,
    /// Why there is neither.
    pub user_errors: Vec<UserError>,
}

/// Registering passkeys, and coming in by one.
#[derive(Default)]
pub struct PasskeyMutation;

#[Object]
impl PasskeyMutation {
    /// Begins to register a passkey: what the browser is to ask of the authenticator. Needs a confirmed session.
    async fn begin_passkey_registration(&self, ctx: &Context<'_>) -> Result<BeginPasskeyPayload> {
        let scope = ctx.somebody()?;
        scope.account_holder().map_err(refuse)?;
        let begun = register::begin(&scope, &ctx.services().passkeys).await;
        Ok(BeginPasskeyPayload::of(split(begun)?))
    }

    /// Takes the passkey that the authenticator made. From now on it signs in alone, and a password is not enough any more:
    /// sign-ins take it, a code or a recovery code as the second step.
    async fn register_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RegisterPasskeyInput,
    ) -> Result<RegisterPasskeyPayload> {
        let scope = ctx.somebody()?;
        scope.account_holder().map_err(refuse)?;
        let name = input.name.unwrap_or_default();
        let passkeys = &ctx.services().passkeys;
        let made = register::finish(&scope, passkeys, &input.passkey_token, input.credential.0, &name).await;
        let (made, user_errors) = split_credentials(made)?;
        let (passkey, codes) = made.map(|made| (made.passkey, made.recovery_codes)).unzip();
        let recovery_codes = codes.flatten().as_deref().map(shown);
        Ok(RegisterPasskeyPayload { passkey: passkey.map(Passkey::from), recovery_codes, user_errors })
    }

    /// Gives a passkey of one's own another name.
    async fn rename_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RenamePasskeyInput,
    ) -> Result<PasskeyPayload> {
        let scope = ctx.somebody()?;
        scope.account_holder().map_err(refuse)?;
        let id = PasskeyId::parse_or_unknown(&input.passkey_id);
        let (passkey, user_errors) = split(passkeys::rename(&scope, ctx.store(), id, &input.name).await)?;
        Ok(PasskeyPayload { passkey: passkey.map(Passkey::from), user_errors })
    }

    /// Takes a passkey of one's own away: it opens nothing any more. The recovery codes go with the last second factor. Needs a
    /// confirmed session.
    async fn remove_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RemovePasskeyInput,
    ) -> Result<RemovePasskeyPayload> {
        let scope = ctx.somebody()?;
        scope.account_holder().map_err(refuse)?;
        let id = PasskeyId::parse_or_unknown(&input.passkey_id);
        let (done, user_errors) = split(passkeys::remove(&scope, ctx.store(), id).await)?;
        Ok(RemovePasskeyPayload { is_removed: done.is_some(), user_errors })
    }

    /// Begins a sign-in without address and password: whoever has a passkey of this console chooses it.
    async fn begin_passkey_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: BeginPasskeySignInInput,
    ) -> Result<BeginPasskeyPayload> {
        let workspace = input.workspace_id.map(|id| WorkspaceId::parse_or_unknown(&id));
        let stays_signed_in = input.stays_signed_in.unwrap_or_default();
        let passkeys = &ctx.services().passkeys;
        let begun = enter::begin_sign_in(passkeys, workspace, stays_signed_in, ctx.whence()).await;
        Ok(BeginPasskeyPayload::of(split(begun)?))
    }

    /// Begins the second step behind a password (`signIn`) by a passkey of the account.
    async fn begin_passkey_second_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: BeginPasskeySecondStepInput,
    ) -> Result<BeginPasskeyPayload> {
        let begun = enter::begin_second_step(&ctx.services().passkeys, &input.sign_in_token).await;
        Ok(BeginPasskeyPayload::of(split_credentials(begun)?))
    }

    /// Begins to prove once more that it is the member, by a passkey: `completePasskey`, called by the same session, then does
    /// what `confirmSecondFactor` does.
    async fn begin_passkey_confirmation(&self, ctx: &Context<'_>) -> Result<BeginPasskeyPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let begun = enter::begin_confirmation(&scope, &ctx.services().passkeys).await;
        Ok(BeginPasskeyPayload::of(split(begun)?))
    }

    /// Takes what the authenticator answered: a session, or the confirmation that `beginPasskeyConfirmation` asked for.
    async fn complete_passkey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CompletePasskeyInput,
    ) -> Result<CompletePasskeyPayload> {
        let (passkeys, by) = (&ctx.services().passkeys, ctx.asking());
        let completed =
            enter::complete(passkeys, by.as_ref(), &input.passkey_token, input.credential.0, ctx.whence()).await;
        let (completed, user_errors) = split_credentials(completed)?;
        let (session, confirmed_until) = session_or_moment(completed);
        Ok(CompletePasskeyPayload { session, confirmed_until, user_errors })
    }
}

impl BeginPasskeyPayload {
    fn of((begun, user_errors): (Option<Begun>, Vec<UserError>)) -> Self {
        Self {
            passkey_token: begun.as_ref().map(|begun| begun.token.expose().to_owned()),
            expires_at: begun.as_ref().map(|begun| begun.expires_at.into()),
            options: begun.map(|begun| Json(begun.options)),
            user_errors,
        }
    }
}

impl From<passkeys::Passkey> for Passkey {
    fn from(passkey: passkeys::Passkey) -> Self {
        Self {
            id: passkey.id.to_string().into(),
            name: passkey.name,
            is_backed_up: passkey.is_backed_up,
            created_at: passkey.created_at.into(),
            last_used_at: passkey.last_used_at.map(DateTime::from),
        }
    }
}
