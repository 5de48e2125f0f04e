//! Mail to one person: a code, a notice. What a [`Channel`](crate::Channel) tells goes to the staff; this goes to whoever is
//! named.
//!
//! A mail carries an address and is personal data: the type has no `Debug` and must not be logged.

use async_trait::async_trait;

use crate::Result;

/// A mail, as plain text.
#[derive(Clone)]
pub struct Mail {
    /// Never changes however often it is tried: at most 64 characters of `[A-Za-z0-9_-]`.
    pub key: String,
    /// Who is written to: one address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The words, in lines that end with `\n`.
    pub text: String,
    /// When it was written, in milliseconds since 1970 (UTC).
    pub at: i64,
}

/// Sends mail to one person.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a mail over. After a crash between handing over and knowing it, the same mail can be seen twice.
    ///
    /// # Errors
    /// `Unavailable` where another attempt may work; `Refused` where the address or the mail is not taken; `Misconfigured`.
    async fn send(&self, mail: Mail) -> Result<()>;
}
