//! Identity providers that speak OpenID Connect: the code flow with PKCE and nonce, discovery, keys that change, and
//! back-channel logout.
//!
//! Reading order: `discovery` (what a provider says of itself), `keys` (by what it signs), `known` (what is remembered of
//! both, and for how long), `claims` (what a token has to say), `exchange` (a code for a token).
//!
//! Invariants, as absences:
//! - No provider is believed about its own address: every address it names goes through the egress like the first.
//! - No algorithm is taken from a token alone: the key decides, and `none` and HMAC are never tried.
//! - No provider is asked for its keys without end: a `kid` that nobody knows is looked for once a minute at the most.
//! - No claim, code, token or secret is in an error or a log line.

mod claims;
mod discovery;
mod exchange;
mod keys;
mod known;

use std::net::SocketAddr;

use async_trait::async_trait;
use consigne_sdk::{
    Egress, HostRule, Identity, Logout, Manifest, PluginError, PluginErrorKind, Provider, Question, Reply, Result,
    SignOn,
};
use serde_json::Value;
use url::Url;

use self::known::Known;

/// What is asked of every provider: who it is, and their address.
const ASKED_FOR: &str = "openid email";

/// What an id token is to say where a provider lets itself be asked (OpenID Connect Core 1.0, 5.5).
const WANTED: &str = r#"{"id_token":{"email":null,"email_verified":null,"auth_time":null,"amr":null,"acr":null}}"#;

/// What the operator decides about identity providers.
#[derive(Debug, Clone, Default)]
pub struct OidcOptions {
    /// Addresses that may be reached though they are not on the public internet, over plain http too.
    pub let_through: Vec<SocketAddr>,
}

/// Speaks to identity providers.
pub struct Oidc {
    egress: Egress,
    known: Known,
}

impl Oidc {
    /// Under these options; nobody is connected to before somebody signs in.
    ///
    /// # Errors
    /// `Internal` where no TLS client can be made.
    pub fn new(options: OidcOptions) -> Result<Self> {
        let let_through = options.let_through.into_iter().map(HostRule::Address);
        let manifest = Manifest {
            id: "oidc",
            name: "OpenID Connect",
            summary: "Asks the identity provider that a workspace named who somebody is.",
            capabilities: Vec::new(),
            hosts: let_through.chain([HostRule::PublicInternet]).collect(),
            settings_schema: Value::Null,
        };
        Ok(Self { egress: Egress::new(&manifest, &Value::Null)?, known: Known::default() })
    }
}

#[async_trait]
impl SignOn for Oidc {
    async fn check(&self, issuer: &str, at: i64) -> Result<()> {
        self.known.metadata(&self.egress, issuer, at).await.map(drop)
    }

    async fn authorization_url(&self, provider: &Provider, question: Question, at: i64) -> Result<Url> {
        let metadata = self.known.metadata(&self.egress, &provider.issuer, at).await?;
        let mut url = metadata.authorization_endpoint.clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", &question.redirect_uri),
            ("scope", ASKED_FOR),
            ("state", &question.state),
            ("nonce", &question.nonce),
            ("code_challenge", &question.code_challenge),
            ("code_challenge_method", "S256"),
        ]);
        if let Some(hint) = &question.login_hint {
            query.append_pair("login_hint", hint);
        }
        if !question.acr_values.is_empty() {
            query.append_pair("acr_values", &question.acr_values.join(" "));
        }
        if metadata.claims_parameter_supported {
            query.append_pair("claims", WANTED);
        }
        if question.is_anew {
            query.append_pair("prompt", "login").append_pair("max_age", "0");
        }
        drop(query);
        Ok(url)
    }

    async fn identity(&self, provider: &Provider, reply: Reply) -> Result<Identity> {
        let metadata = self.known.metadata(&self.egress, &provider.issuer, reply.at).await?;
        let says_who_it_is = reply.issuer.as_deref();
        if says_who_it_is.is_some_and(|said| said != provider.issuer)
            || (says_who_it_is.is_none() && metadata.authorization_response_iss_parameter_supported)
        {
            return Err(refused("somebody else sent the browser back"));
        }
        let tokens = exchange::redeem(&self.egress, &metadata, provider, &reply).await?;
        let claims = self.known.verified(&self.egress, &metadata, &tokens.id_token, reply.at).await?;
        let mut identity = claims::identity(provider, &reply, claims)?;
        if identity.verified_email.is_none() {
            identity.verified_email = exchange::email(&self.egress, &metadata, &tokens, &identity.subject).await?;
        }
        Ok(identity)
    }

    async fn logout(&self, provider: &Provider, token: &str, at: i64) -> Result<Logout> {
        let metadata = self.known.metadata(&self.egress, &provider.issuer, at).await?;
        let claims = self.known.verified(&self.egress, &metadata, token, at).await?;
        claims::logout(provider, at, claims)
    }
}

/// The provider, the person or whoever is between them said something that is not to be believed.
fn refused(what: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Refused, format!("oidc: {what}"))
}

/// The provider answers something outside the protocol.
fn invalid(what: &str) -> PluginError {
    PluginError::new(PluginErrorKind::InvalidResponse, format!("oidc: {what}"))
}

/// A person has to change the settings, here or there.
fn misconfigured(what: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("oidc: {what}"))
}
