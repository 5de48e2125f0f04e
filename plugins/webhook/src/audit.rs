//! The workspace's audit log, entry by entry, to the same address and with the same signatures.

use async_trait::async_trait;
use consigne_sdk::{AuditBatch, AuditSink, PluginError, PluginErrorKind, Result};
use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{ID, channel::WebhookChannel};

/// Entries of the audit log that follow each other.
#[derive(Serialize)]
struct AuditPayload {
    /// `audit.entries`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// When they were sent (RFC 3339).
    timestamp: String,
    /// The entries.
    data: Entries,
}

/// The entries, oldest first.
#[derive(Serialize)]
struct Entries {
    /// As `/audit.ndjson` has them, without details that are about a person. `seq` counts up without a gap.
    entries: Vec<Value>,
}

#[async_trait]
impl AuditSink for WebhookChannel {
    fn is_wanted(&self) -> bool {
        self.takes_audit_log
    }

    async fn write(&self, batch: AuditBatch) -> Result<()> {
        let at = OffsetDateTime::from_unix_timestamp(batch.now / 1_000).ok().and_then(|at| at.format(&Rfc3339).ok());
        let timestamp = at.ok_or_else(|| PluginError::new(PluginErrorKind::Internal, format!("{ID}: no time")))?;
        let payload = AuditPayload { kind: "audit.entries", timestamp, data: Entries { entries: batch.entries } };
        self.post(&batch.key, batch.now, &payload).await
    }
}
