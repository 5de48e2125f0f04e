//! Where a workspace's audit log is sent as it grows.

use async_trait::async_trait;
use serde_json::Value;

use crate::Result;

/// Entries that follow each other.
#[derive(Debug, Clone)]
pub struct AuditBatch {
    /// The same for the same entries however often they are sent; at most 100 characters.
    pub key: String,
    /// Now, in milliseconds since 1970 (UTC).
    pub now: i64,
    /// The entries, oldest first, as `/audit.ndjson` has them, without details that are about a person.
    pub entries: Vec<Value>,
}

/// Takes a workspace's audit log, entry by entry.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Whether the settings ask for it.
    fn is_wanted(&self) -> bool;

    /// Takes entries. They come in order, again where the last call failed, and at least once.
    ///
    /// # Errors
    /// `Unavailable` or `RateLimited` where it can be tried again; `Gone` where nobody wants any more; `Misconfigured`.
    async fn write(&self, batch: AuditBatch) -> Result<()>;
}
