//! The way to the provider: what comes back is bound to the browser that is sent.
//!
//! The browser gets a token beside the address, and keeps it where no other page sees it; the state, the nonce and the PKCE
//! verifier stay here, sealed, for ten minutes. So a link that somebody else prepared leads nowhere, and a code that was
//! caught on the way opens nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use consigne_sdk::Question;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{SingleSignOn, domains, of_provider, providers};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SessionId, WorkspaceId},
    identity::{
        SecretText, Whence, email,
        secret::random_text,
        sessions, throttle,
        tickets::{self, Purpose},
        unauthenticated,
    },
    scope::Scope,
};

/// Who wants to sign in, and how.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// By whom the provider is found.
    pub whom: Whom<'a>,
    /// Whether the session may rest for days.
    pub stays_signed_in: bool,
    /// From where.
    pub whence: &'a Whence,
}

/// By whom the provider is found.
#[derive(Clone, Copy)]
pub enum Whom<'a> {
    /// Whose domain the address is of.
    Address(&'a str),
    /// The workspace that named it.
    Workspace(WorkspaceId),
}

/// Where to send the browser, and what it has to keep until it is back.
#[derive(Clone)]
pub struct Begun {
    /// At the provider.
    pub authorization_url: SecretText,
    /// For [`complete`](super::complete::complete), once.
    pub token: SecretText,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What is kept of a way until somebody comes back from it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Way {
    pub workspace: WorkspaceId,
    /// What the provider was then.
    pub version: i64,
    pub state: String,
    pub nonce: String,
    pub code_verifier: String,
    pub redirect_uri: String,
    pub stays_signed_in: bool,
    /// The session that is to be confirmed, where somebody is signed in already.
    pub confirms: Option<SessionId>,
    /// In seconds since 1970.
    pub began_at: i64,
}

/// Begins a sign-in at the provider of an address or a workspace. The answer is the same for every address of a domain,
/// whoever has an account.
///
/// # Errors
/// `Disabled` where there is no single sign-on; `RateLimited`; `Unavailable` and `Misconfigured` as the provider is.
pub async fn begin(sso: &SingleSignOn, wish: Wish<'_>) -> Result<Begun> {
    let store = &sso.store;
    throttle::take_from(store, throttle::SIGN_ONS_FROM, wish.whence).await?;
    let (workspace, hint) = match wish.whom {
        Whom::Address(typed) => {
            throttle::take(store, throttle::SIGN_ONS, &email::index_of_typed(store, typed)).await?;
            (domains::workspace_of(store, typed).await?, Some(typed.trim().to_owned()))
        }
        Whom::Workspace(workspace) => (Some(workspace), None),
    };
    send(sso, workspace.ok_or_else(not_set_up)?, hint, wish.stays_signed_in, None).await
}

/// Begins to prove once more who the member is, at the provider by which they came.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Disabled` for a member who did not come by single sign-on; otherwise as [`begin`].
pub async fn begin_confirmation(scope: &Scope, sso: &SingleSignOn, whence: &Whence) -> Result<Begun> {
    let (account, session) = scope.member()?;
    throttle::take_from(&sso.store, throttle::SIGN_ONS_FROM, whence).await?;
    throttle::take(&sso.store, throttle::SIGN_ONS, account.0.as_bytes()).await?;
    let live = sessions::find_live(&sso.store.read_instance().await?, session, sso.store.now()).await?;
    let live = live.ok_or_else(unauthenticated)?;
    if live.session.provider_issuer.is_none() {
        let message = "You did not come by single sign-on. Use confirmSecondFactor.";
        return Err(Error::new(ErrorKind::Disabled, message));
    }
    send(sso, scope.workspace(), None, false, Some(session)).await
}

async fn send(
    sso: &SingleSignOn,
    workspace: WorkspaceId,
    login_hint: Option<String>,
    stays_signed_in: bool,
    confirms: Option<SessionId>,
) -> Result<Begun> {
    let store = &sso.store;
    let provider = providers::usable(store, workspace).await?.ok_or_else(not_set_up)?;
    let now = store.now().seconds();
    let way = Way {
        workspace,
        version: provider.row.version,
        state: random_text(),
        nonce: random_text(),
        code_verifier: random_text(),
        redirect_uri: sso.redirect_uri(),
        stays_signed_in,
        confirms,
        began_at: now,
    };
    let question = Question {
        redirect_uri: way.redirect_uri.clone(),
        state: way.state.clone(),
        nonce: way.nonce.clone(),
        code_challenge: BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(way.code_verifier.as_bytes())),
        login_hint,
        is_anew: confirms.is_some(),
        acr_values: providers::words(&provider.row.accepted_acr),
    };
    let url = sso.sign_on.authorization_url(&provider.party, question, now).await.map_err(of_provider)?;
    let tx = store.write_instance().await?;
    let issued = tickets::issue(&tx, Purpose::SingleSignOn, None, &way).await?;
    tx.commit().await?;
    Ok(Begun { authorization_url: SecretText::new(url.into()), token: issued.token, expires_at: issued.expires_at })
}

fn not_set_up() -> Error {
    Error::new(ErrorKind::Disabled, "No single sign-on is set up here. Sign in with a password.")
}
