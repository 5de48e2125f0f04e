//! A workspace's audit log on its way to a server of the workspace's own, as it grows.
//!
//! Each plugin that takes it has a row with the last entry that arrived. Entries are sent in order and at least once: a batch
//! that may have arrived is sent again under the same key. What was written before the plugin was first asked for it is not
//! sent; `/audit.ndjson` has it. Details that are about a person stay here, where an erasure finds them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_sdk::{AuditBatch, AuditSink, CapabilityKind};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};
use serde_json::{Value, json};

use super::{Entry, since};
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
    jobs::{Duty, DutyContext},
    plugins::Registry,
    scope::{Permission, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{audit_forwards as table, audit_heads},
    },
};

/// The first pause after a failure; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Entries of one request.
const AT_ONCE: usize = 100;

/// Pages of the log that are read for one plugin in one go, so that a long log does not keep others waiting.
const PAGES: usize = 4;

/// A plugin that takes the audit log, and how far it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The plugin.
    pub plugin: String,
    /// The last entry that arrived.
    pub seq: i64,
    /// Entries that have not.
    pub behind: i64,
    /// Failures since something arrived.
    pub failures: i64,
    /// Not tried again before.
    pub next_at: Timestamp,
    /// When something arrived last.
    pub sent_at: Option<Timestamp>,
    /// Why the last try failed: the kind of the failure.
    pub last_error: Option<String>,
}

/// Where the workspace's audit log is sent.
///
/// # Errors
/// `Forbidden` without `AUDIT_READ`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<Forward>> {
    scope.require(Permission::AuditRead)?;
    let tx = store.read(scope).await?;
    let newest = newest(&tx).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_asc(table::Column::PluginId)
        .all(tx.db())
        .await?;
    let shown = rows.into_iter().map(|row| Forward {
        plugin: row.plugin_id,
        seq: row.seq,
        behind: (newest - row.seq).max(0),
        failures: row.failures,
        next_at: row.next_at,
        sent_at: row.sent_at,
        last_error: row.last_error,
    });
    Ok(shown.collect())
}

/// An entry as it leaves, with its details.
pub fn line(entry: &Entry) -> Value {
    json!({
        "seq": entry.seq,
        "at": entry.at.rfc3339(),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id.map(|id| id.to_string())},
        "action": entry.action,
        "target": {"kind": entry.target_kind, "id": entry.target_id.map(|id| id.to_string())},
        "subject": entry.subject.map(|subject| subject.to_string()),
        "details": entry.details,
    })
}

/// Sends what is new.
pub struct AuditForward(pub Arc<Registry>);

#[async_trait]
impl Duty for AuditForward {
    fn name(&self) -> &'static str {
        "audit-forward"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        for scope in context.scopes().await? {
            for plugin in self.0.used(&scope, store, CapabilityKind::AuditSink).await? {
                if let Err(error) = self.send(&scope, store, plugin).await {
                    tracing::warn!(workspace = %scope.workspace(), plugin, %error, "an audit log could not be sent");
                    failed(&scope, store, plugin, error.kind()).await?;
                }
            }
        }
        Ok(())
    }
}

impl AuditForward {
    async fn send(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<()> {
        let sink = self.0.audit_sink(scope, store, plugin).await?;
        if !sink.is_wanted() {
            return Ok(());
        }
        let Some(mut row) = begun(scope, store, plugin).await? else { return Ok(()) };
        for _ in 0..PAGES {
            let entries = since(scope, store, row.seq).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for some in entries.chunks(AT_ONCE) {
                row = self.send_some(scope, store, sink.as_ref(), row, some).await?;
            }
        }
        Ok(())
    }

    async fn send_some(
        &self,
        scope: &Scope,
        store: &Store,
        sink: &dyn AuditSink,
        row: table::Model,
        entries: &[Entry],
    ) -> Result<table::Model> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(row) };
        let key = format!("audit_{}_{}_{}", scope.workspace(), first.seq, last.seq);
        sink.write(AuditBatch { key, now: store.now().0, entries: entries.iter().map(without_person).collect() })
            .await?;
        let row = table::Model { seq: last.seq, failures: 0, sent_at: Some(store.now()), last_error: None, ..row };
        let tx = store.write(scope).await?;
        put(&tx, row.clone()).await?;
        tx.commit().await?;
        Ok(row)
    }
}

/// Details about a person are not sent.
fn without_person(entry: &Entry) -> Value {
    let mut line = line(entry);
    if entry.subject.is_some() {
        line["details"] = Value::Null;
    }
    line
}

/// The plugin's row, unless it is not its time; from now on, where it has none.
async fn begun(scope: &Scope, store: &Store, plugin: &str) -> Result<Option<table::Model>> {
    // Most of the time there is one, and nothing to be written.
    if let Some(row) = find(&store.read(scope).await?, plugin).await? {
        return Ok((row.next_at <= store.now()).then_some(row));
    }
    let tx = store.write(scope).await?;
    let row = table::Model {
        workspace_id: scope.workspace(),
        plugin_id: plugin.to_owned(),
        seq: newest(&tx).await?,
        failures: 0,
        next_at: store.now(),
        sent_at: None,
        last_error: None,
    };
    put(&tx, row.clone()).await?;
    tx.commit().await?;
    Ok(Some(row))
}

async fn failed(scope: &Scope, store: &Store, plugin: &str, why: ErrorKind) -> Result<()> {
    let tx = store.write(scope).await?;
    let Some(row) = find(&tx, plugin).await? else { return Ok(()) };
    let doublings = u32::try_from(row.failures.clamp(0, 16)).unwrap_or(0);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let failures = row.failures + 1;
    let last_error = Some(format!("{why:?}").to_uppercase());
    put(&tx, table::Model { failures, next_at: store.now().plus(pause), last_error, ..row }).await?;
    tx.commit().await
}

async fn newest(tx: &WorkspaceTx) -> Result<i64> {
    Ok(audit_heads::Entity::find_by_id(tx.workspace()).one(tx.db()).await?.map_or(0, |head| head.seq))
}

async fn find(tx: &WorkspaceTx, plugin: &str) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id((tx.workspace(), plugin.to_owned())).one(tx.db()).await?)
}

async fn put(tx: &WorkspaceTx, row: table::Model) -> Result<()> {
    use table::Column;
    let again = OnConflict::columns([Column::WorkspaceId, Column::PluginId])
        .update_columns([Column::Seq, Column::Failures, Column::NextAt, Column::SentAt, Column::LastError])
        .to_owned();
    let row = table::ActiveModel::from(row).reset_all();
    table::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
    Ok(())
}
