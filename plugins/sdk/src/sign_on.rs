//! Signing in at somebody else's: an identity provider that speaks OpenID Connect.
//!
//! What is asked and answered here are claims about people, so nothing of it prints. Times are seconds since 1970 (UTC), as
//! in tokens; `at` is now.

use async_trait::async_trait;
use url::Url;

use crate::Result;

/// A provider, and what this installation is to it.
#[derive(Clone)]
pub struct Provider {
    /// Its issuer, exactly as its tokens say it.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// What proves that it is; none for a public client.
    pub client_secret: Option<String>,
}

/// What a browser is sent to the provider with.
#[derive(Clone)]
pub struct Question {
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the id token.
    pub nonce: String,
    /// Of the PKCE verifier, by S256 (RFC 7636).
    pub code_challenge: String,
    /// Who wants to sign in, as they typed it.
    pub login_hint: Option<String>,
    /// Whether whoever is signed in at the provider has to prove it anew.
    pub is_anew: bool,
    /// Ways to sign in that are good enough, the best first.
    pub acr_values: Vec<String>,
}

/// What the browser came back with, and what it was sent with.
#[derive(Clone)]
pub struct Reply {
    /// The authorization code.
    pub code: String,
    /// Who says that they sent the browser back (RFC 9207).
    pub issuer: Option<String>,
    /// As in the question.
    pub redirect_uri: String,
    /// As in the question.
    pub nonce: String,
    /// The PKCE verifier.
    pub code_verifier: String,
    /// Where it had to be proved anew: not before this.
    pub anew_since: Option<i64>,
    /// Now.
    pub at: i64,
}

/// Who it is, as the provider says.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's id of the person.
    pub subject: String,
    /// The provider's id of the sign-in there, for back-channel logout.
    pub session: Option<String>,
    /// Their address, where the provider says that it is theirs.
    pub verified_email: Option<String>,
    /// How they proved it (RFC 8176).
    pub amr: Vec<String>,
    /// The class of how they proved it.
    pub acr: Option<String>,
    /// When they proved it.
    pub auth_time: Option<i64>,
}

/// Whose sign-ins are over, as the provider says.
#[derive(Clone, PartialEq, Eq)]
pub struct Logout {
    /// The id of the token, which is taken once.
    pub id: String,
    /// The person's sign-ins.
    pub subject: Option<String>,
    /// This sign-in.
    pub session: Option<String>,
}

/// Speaks to identity providers.
#[async_trait]
pub trait SignOn: Send + Sync {
    /// Whether this issuer can be used: it is reached, and says of itself what it has to.
    ///
    /// # Errors
    /// `HostNotAllowed`; `Misconfigured` where it is no issuer; `Unavailable`; `InvalidResponse`.
    async fn check(&self, issuer: &str, at: i64) -> Result<()>;

    /// Where to send a browser.
    ///
    /// # Errors
    /// As [`SignOn::check`].
    async fn authorization_url(&self, provider: &Provider, question: Question, at: i64) -> Result<Url>;

    /// Changes a code for who it is. Every claim was checked.
    ///
    /// # Errors
    /// `Refused` where the code or the id token is not good, with which claim; `Misconfigured` where the provider does not
    /// take the client; otherwise as [`SignOn::check`].
    async fn identity(&self, provider: &Provider, reply: Reply) -> Result<Identity>;

    /// Reads a logout token (OpenID Connect Back-Channel Logout 1.0). Whether it came before is for the caller to know.
    ///
    /// # Errors
    /// As [`SignOn::identity`].
    async fn logout(&self, provider: &Provider, token: &str, at: i64) -> Result<Logout>;
}
