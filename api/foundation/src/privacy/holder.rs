//! Whoever holds personal data.

use async_trait::async_trait;

use super::holding::{Counted, Holding, Table};
use crate::{error::Result, id::SubjectId, scope::Scope, store::WorkspaceTx};

/// Holds personal data of one kind, and answers for it.
///
/// Most holders are tables: [`super::holding`] counts and opens what their [`Table`]s have about somebody, so `inventory` and
/// `export` are a line each.
#[async_trait]
pub trait DataHolder: Send + Sync {
    /// Its name in erasure steps, certificates and archives: `chats`.
    fn name(&self) -> &'static str;

    /// The tables that it answers for. A table with a `subject_id` that no holder names fails the tests.
    fn tables(&self) -> &'static [Table];

    /// How many items it holds about the person.
    ///
    /// # Errors
    /// `Unavailable` where its store cannot be counted.
    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64>;

    /// What it holds about the person, counted by table and category, whether or not their data is restricted.
    ///
    /// # Errors
    /// `Unavailable` where its store cannot be counted.
    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>>;

    /// All that it holds about the person, opened (GDPR art. 15), whether or not their data is restricted.
    ///
    /// # Errors
    /// `Unavailable`; `SubjectErased`; `Corrupt`.
    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>>;

    /// Ends what is under way about the person, in the transaction that restricts their data (GDPR art. 18); from its commit on
    /// the database refuses whatever would be written about them.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn restrict(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()>;

    /// Takes up again what waited, in the transaction that lifts a restriction.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lift(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()>;

    /// Erases everything about the person, waits until it cannot be found any more, and says how many items went. May
    /// be repeated.
    ///
    /// # Errors
    /// `Unavailable` where its store is down; nothing counts as done then.
    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64>;
}
