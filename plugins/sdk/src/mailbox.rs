//! A mailbox that people write to, each mail of which is somebody's request.
//!
//! A letter holds what a person wrote, so it neither prints nor serialises.

use async_trait::async_trait;

use crate::Result;

/// A mail that a person wrote.
#[derive(Clone)]
pub struct Letter {
    /// The same for the same mail however often it is fetched, and nothing of whom it came from: at most 100 characters.
    pub id: String,
    /// The one address it came from, where it names one.
    pub from: Option<String>,
    /// Its subject; empty where it has none.
    pub subject: String,
    /// What is written, as plain text.
    pub text: String,
    /// When the server received it, in milliseconds since 1970 (UTC): the sender cannot set it.
    pub received_at: i64,
}

/// What came.
#[derive(Clone, Default)]
pub struct Fetch {
    /// Letters, the oldest first. What machines wrote is left out.
    pub letters: Vec<Letter>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Fetches what people write.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// What came since `cursor`, some at a time; nothing where the settings name no mailbox. Nothing is taken away.
    ///
    /// # Errors
    /// `Unavailable` where it can be tried again; `Misconfigured`; `InvalidResponse`.
    async fn fetch(&self, cursor: Option<String>) -> Result<Fetch>;
}
