//! Signing in at a workspace's identity provider, and proving there once more who one is.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Error,
    id::WorkspaceId,
    identity::single_sign_on::{
        begin::{self, Begun, Whom, Wish},
        complete::{self, Return},
    },
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split, split_credentials},
    identity::{Session, session_or_moment},
    scalars::DateTime,
};

/// Who wants to sign in: one of the two.
#[derive(InputObject)]
pub struct BeginSingleSignOnInput {
    /// An address of a domain that is a workspace's own. The provider is told it.
    #[graphql(secret)]
    pub email: Option<String>,
    /// The workspace.
    pub workspace_id: Option<ID>,
    /// Whether the session may rest for fourteen days and last thirty, as in `signIn`.
    pub stays_signed_in: Option<bool>,
}

/// Where to send the browser, or why nowhere.
#[derive(SimpleObject)]
pub struct BeginSingleSignOnPayload {
    /// Where to send the browser: the provider.
    pub authorization_url: Option<String>,
    /// To be kept by the page that sends it, where no other page can read it (`sessionStorage`), and to be shown with what comes
    /// back. It works once.
    pub sign_on_token: Option<String>,
    /// Until when.
    pub expires_at: Option<DateTime>,
    /// Why nowhere.
    pub user_errors: Vec<UserError>,
}

/// What the browser came back with.
#[derive(InputObject)]
pub struct CompleteSingleSignOnInput {
    /// What the page kept.
    #[graphql(secret)]
    pub sign_on_token: String,
    /// `state` of the address that the browser came back to.
    #[graphql(secret)]
    pub state: String,
    /// `code` of it.
    #[graphql(secret)]
    pub code: String,
    /// `iss` of it, where it has one.
    pub issuer: Option<String>,
}

/// A session, or the confirmation of the one that asked, or why there is neither.
#[derive(SimpleObject)]
pub struct CompleteSingleSignOnPayload {
    /// The session of a sign-in.
    pub session: Option<Session>,
    /// Until when the session that asked counts as confirmed, after `beginSingleSignOnConfirmation`.
    pub confirmed_until: Option<DateTime>,
    /// Why there is neither.
    pub user_errors: Vec<UserError>,
}

/// Signing in elsewhere.
#[derive(Default)]
pub struct SingleSignOnMutation;

#[Object]
impl SingleSignOnMutation {
    /// Begins a sign-in at a workspace's identity provider: answers with where to send the browser. The answer is the same for
    /// every address of a domain, whoever has an account.
    async fn begin_single_sign_on(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: BeginSingleSignOnInput,
    ) -> Result<BeginSingleSignOnPayload> {
        let whom = match (&input.email, &input.workspace_id) {
            (Some(email), None) => Whom::Address(email),
            (None, Some(id)) => Whom::Workspace(WorkspaceId::parse_or_unknown(id)),
            _ => {
                let error = Error::invalid("email", "Give an address or a workspace.");
                return BeginSingleSignOnPayload::of(Err(error));
            }
        };
        let stays_signed_in = input.stays_signed_in.unwrap_or_default();
        let wish = Wish { whom, stays_signed_in, whence: ctx.whence() };
        BeginSingleSignOnPayload::of(begin::begin(&ctx.services().single_sign_on, wish).await)
    }

    /// Takes what the provider sent the browser back with (`singleSignOn { redirectUri }`): a session, which holds for the one
    /// workspace; or the confirmation that `beginSingleSignOnConfirmation` asked for. Whoever comes for the first time becomes a
    /// member, where the workspace says so.
    async fn complete_single_sign_on(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CompleteSingleSignOnInput,
    ) -> Result<CompleteSingleSignOnPayload> {
        let came = Return {
            token: &input.sign_on_token,
            state: &input.state,
            code: &input.code,
            issuer: input.issuer.as_deref(),
        };
        let (sso, by) = (&ctx.services().single_sign_on, ctx.asking());
        let completed = complete::complete(sso, by.as_ref(), came, ctx.whence()).await;
        let (completed, user_errors) = split_credentials(completed)?;
        let (session, confirmed_until) = session_or_moment(completed);
        Ok(CompleteSingleSignOnPayload { session, confirmed_until, user_errors })
    }

    /// Proves once more that it is the member who came by single sign-on: answers with where to send the browser, to sign in
    /// there anew. `completeSingleSignOn`, called by the same session, then does what `confirmSecondFactor` does.
    async fn begin_single_sign_on_confirmation(&self, ctx: &Context<'_>) -> Result<BeginSingleSignOnPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let sso = &ctx.services().single_sign_on;
        BeginSingleSignOnPayload::of(begin::begin_confirmation(&scope, sso, ctx.whence()).await)
    }
}

impl BeginSingleSignOnPayload {
    fn of(begun: consigne_foundation::Result<Begun>) -> Result<Self> {
        let (begun, user_errors) = split(begun)?;
        let text = |text: &consigne_foundation::identity::SecretText| text.expose().to_owned();
        Ok(Self {
            authorization_url: begun.as_ref().map(|begun| text(&begun.authorization_url)),
            sign_on_token: begun.as_ref().map(|begun| text(&begun.token)),
            expires_at: begun.map(|begun| begun.expires_at.into()),
            user_errors,
        })
    }
}
