//! The audit log.

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use consigne_foundation::{Permission, audit};
use serde_json::Value;

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::refuse,
    scalars::DateTime,
};

/// One thing that was done.
#[derive(SimpleObject, Clone)]
pub struct AuditEntry {
    /// Its number in the workspace's chain, from 1.
    pub seq: i32,
    /// Done at.
    pub at: DateTime,
    /// Who, by kind: `member`, `api_key`, `visitor` or `duty`.
    pub actor_kind: String,
    /// Who, by surrogate id; null for the product itself.
    pub actor_id: Option<String>,
    /// What was done, such as `document.deleted`.
    pub action: String,
    /// To what kind of thing.
    pub target_kind: String,
    /// To which thing.
    pub target_id: Option<String>,
    /// More; null where it was about a person who was erased since.
    pub details: Option<Json<Value>>,
}

connection! {
    /// Audit entries, newest first.
    AuditEntryConnection, AuditEntryEdge, AuditEntry, |entry| entry.seq.to_string()
}

/// Whether the chain is whole.
#[derive(SimpleObject, Clone)]
pub struct AuditVerdict {
    /// Whether every entry is there and unchanged.
    pub is_intact: bool,
    /// Entries in the chain.
    pub entries: i32,
    /// The first entry that cannot be trusted.
    pub broken_at: Option<i32>,
    /// How it is broken.
    pub why: Option<String>,
}

/// A plugin that takes the audit log as it grows, and how far it was sent.
#[derive(SimpleObject, Clone)]
pub struct AuditForward {
    /// The plugin.
    pub plugin_id: String,
    /// The number of the last entry that arrived.
    pub seq: i32,
    /// Entries that have not arrived yet.
    pub behind: i32,
    /// Failures since something arrived.
    pub failures: i32,
    /// Not tried again before.
    pub next_at: DateTime,
    /// When something arrived last.
    pub sent_at: Option<DateTime>,
    /// Why the last try failed, such as `UNAVAILABLE`.
    pub last_error: Option<String>,
}

/// Reading the audit log.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// What was done in the workspace, newest first.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<AuditEntryConnection> {
        let (scope, page) = (ctx.scope(Permission::AuditRead)?, Page::of(first)?);
        let after = after.map(|cursor| cursor.parse().unwrap_or(0));
        let rows = audit::page(&scope, ctx.store(), after, page.limit()).await.map_err(refuse)?;
        let total = audit::count(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(AuditEntryConnection::new(&page, rows.into_iter().map(AuditEntry::from).collect(), total))
    }

    /// Where the audit log is sent as it grows: to plugins whose settings ask for it.
    async fn audit_forwards(&self, ctx: &Context<'_>) -> Result<Vec<AuditForward>> {
        let scope = ctx.scope(Permission::AuditRead)?;
        let all = audit::forward::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(AuditForward::from).collect())
    }

    /// Reads the workspace's whole chain and judges it.
    async fn audit_verdict(&self, ctx: &Context<'_>) -> Result<AuditVerdict> {
        let scope = ctx.scope(Permission::AuditRead)?;
        let verdict = audit::verify(ctx.store(), scope.workspace()).await.map_err(refuse)?;
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(match verdict {
            audit::Verdict::Intact { entries } => {
                AuditVerdict { is_intact: true, entries: number(entries), broken_at: None, why: None }
            }
            audit::Verdict::Broken { seq, why } => AuditVerdict {
                is_intact: false,
                entries: number(seq),
                broken_at: Some(number(seq)),
                why: Some(why.to_string()),
            },
        })
    }
}

impl From<audit::forward::Forward> for AuditForward {
    fn from(f: audit::forward::Forward) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            plugin_id: f.plugin,
            seq: number(f.seq),
            behind: number(f.behind),
            failures: number(f.failures),
            next_at: f.next_at.into(),
            sent_at: f.sent_at.map(DateTime::from),
            last_error: f.last_error,
        }
    }
}

impl From<audit::Entry> for AuditEntry {
    fn from(e: audit::Entry) -> Self {
        Self {
            seq: i32::try_from(e.seq).unwrap_or(i32::MAX),
            at: e.at.into(),
            actor_kind: e.actor_kind,
            actor_id: e.actor_id.map(|id| id.to_string()),
            action: e.action,
            target_kind: e.target_kind,
            target_id: e.target_id.map(|id| id.to_string()),
            details: e.details.map(Json),
        }
    }
}
