//! Whoever holds personal data.

use async_trait::async_trait;

use crate::{error::Result, id::SubjectId, scope::Scope};

/// Holds personal data of one kind, and answers for it.
#[async_trait]
pub trait DataHolder: Send + Sync {
    /// Its name in erasure steps and certificates: `chats`.
    fn name(&self) -> &'static str;

    /// How many items it holds about the person.
    ///
    /// # Errors
    /// `Unavailable` where its store cannot be counted.
    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64>;

    /// Erases everything about the person, waits until it cannot be found any more, and says how many items went. May
    /// be repeated.
    ///
    /// # Errors
    /// `Unavailable` where its store is down; nothing counts as done then.
    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64>;
}
