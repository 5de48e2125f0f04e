//! The entries of the audit log: their oldest part goes, and the chain stays one that can be verified (`audit::anchor`).

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, Statement, Value};

use super::rows::{Candidate, Expiring};
use crate::{
    audit,
    clock::Timestamp,
    error::{Error, Result},
    id::WorkspaceId,
    store::InstanceTx,
};

/// The entries. They come after their details.
pub struct AuditEntries;

#[async_trait]
impl Expiring for AuditEntries {
    fn table(&self) -> &'static str {
        "audit_entries"
    }

    fn is_of_workspace(&self) -> bool {
        true
    }

    /// Entries that have no details any more, up to the newest checkpoint: there and nowhere else a chain is cut.
    async fn candidates(
        &self,
        tx: &InstanceTx,
        workspace: Option<WorkspaceId>,
        newest: Timestamp,
        after: Option<&Candidate>,
        limit: u64,
    ) -> Result<Vec<Candidate>> {
        let workspace = workspace.ok_or_else(no_workspace)?;
        let mut values: Vec<Value> = vec![workspace.into(), newest.0.into()];
        let mut behind = String::new();
        if let Some(after) = after {
            behind = " AND t.seq > $3".to_owned();
            values.extend(after.key.iter().cloned());
        }
        let sql = format!(
            "SELECT t.seq, t.at FROM audit_entries t WHERE t.workspace_id = $1 AND t.at <= $2 \
             AND (t.seq <= (SELECT a.seq FROM audit_anchors a WHERE a.workspace_id = $1) \
             OR t.seq <= (SELECT MAX(c.seq) FROM audit_checkpoints c JOIN audit_entries e \
             ON e.workspace_id = c.workspace_id AND e.seq = c.seq WHERE c.workspace_id = $1 AND e.at <= $2)) \
             AND NOT EXISTS (SELECT 1 FROM audit_details d WHERE d.workspace_id = $1 AND d.seq = t.seq){behind} \
             ORDER BY t.seq LIMIT {limit}"
        );
        let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.store().backend(), sql, values)).await?;
        rows.iter()
            .map(|row| {
                let seq: i64 = row.try_get("", "seq")?;
                Ok(Candidate { key: vec![seq.into()], subject: None, began: row.try_get("", "at")? })
            })
            .collect()
    }

    async fn delete(&self, tx: &InstanceTx, workspace: Option<WorkspaceId>, some: &[Candidate]) -> Result<u64> {
        let workspace = workspace.ok_or_else(no_workspace)?;
        let Some(Value::BigInt(Some(last))) = some.last().and_then(|candidate| candidate.key.first()) else {
            return Ok(0);
        };
        audit::cut(tx, workspace, *last).await
    }
}

fn no_workspace() -> Error {
    Error::internal("the audit log belongs to a workspace")
}
