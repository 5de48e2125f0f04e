//! Mail to one person: a link to sign up by, a notice about an account.
//!
//! A mail holds an address and often a token, so it neither prints nor serialises.

use async_trait::async_trait;

use crate::Result;

/// A mail of plain text.
#[derive(Clone)]
pub struct Mail {
    /// Stays the same however often it is sent: 1 to 64 letters, digits, `-` and `_`.
    pub key: String,
    /// The one address it goes to.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Lines that end with `\n`.
    pub text: String,
    /// Written at, in milliseconds since 1970 (UTC).
    pub at: i64,
}

/// Hands mails over to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a mail. SMTP cannot tell whether it was sent before.
    ///
    /// # Errors
    /// `Unavailable` where it can be tried again; `Refused` where the server does not take the address or the mail;
    /// `Misconfigured`.
    async fn send(&self, mail: Mail) -> Result<()>;
}
