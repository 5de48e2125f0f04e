//! Visitors who have not been seen for long, and of whom nothing else is left. Their key goes with them, so nothing of theirs
//! can be read in a backup either; the tombstone stays.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, Statement, Value,
    sea_query::Expr,
};

use super::rows::{Candidate, Expiring};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, VisitorId, WorkspaceId},
    privacy::{second_reader, subjects},
    store::{
        InstanceTx,
        entity::{audit_details, subjects as people, visitors},
    },
};

/// What of a person does not keep them here: what goes with them, and what is kept to prove that it did.
const GO_WITH_THEM: [&str; 2] = ["visitors", "audit_details"];

/// The visitors.
pub struct Visitors;

#[async_trait]
impl Expiring for Visitors {
    fn table(&self) -> &'static str {
        "visitors"
    }

    fn is_of_workspace(&self) -> bool {
        true
    }

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
        let mut conditions = vec!["t.workspace_id = $1".to_owned(), "t.last_seen_at <= $2".to_owned()];
        for table in second_reader::tables_about_people(tx).await? {
            if !GO_WITH_THEM.contains(&table.as_str()) {
                conditions.push(format!(
                    "NOT EXISTS (SELECT 1 FROM \"{table}\" o WHERE o.workspace_id = $1 AND o.subject_id = t.subject_id)"
                ));
            }
        }
        if let Some(after) = after {
            conditions.push("(t.last_seen_at, t.id) > ($3, $4)".to_owned());
            values.push(after.began.0.into());
            values.extend(after.key.iter().cloned());
        }
        let sql = format!(
            "SELECT t.id, t.subject_id, t.last_seen_at FROM visitors t WHERE {} ORDER BY t.last_seen_at, t.id LIMIT {limit}",
            conditions.join(" AND ")
        );
        let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.store().backend(), sql, values)).await?;
        rows.iter()
            .map(|row| {
                let id: VisitorId = row.try_get("", "id")?;
                let began = row.try_get("", "last_seen_at")?;
                Ok(Candidate { key: vec![id.into()], subject: row.try_get("", "subject_id")?, began })
            })
            .collect()
    }

    async fn delete(&self, tx: &InstanceTx, workspace: Option<WorkspaceId>, some: &[Candidate]) -> Result<u64> {
        let workspace = workspace.ok_or_else(no_workspace)?;
        let mut deleted = 0;
        for candidate in some {
            let Some(subject) = candidate.subject else { continue };
            let sql = "DELETE FROM visitors WHERE workspace_id = $1 AND id = $2";
            let values = std::iter::once(workspace.into()).chain(candidate.key.iter().cloned());
            let statement = Statement::from_sql_and_values(tx.store().backend(), sql, values);
            deleted += tx.execute_raw(statement).await?.rows_affected();
            let other_visits = visitors::Entity::find()
                .filter(visitors::Column::WorkspaceId.eq(workspace))
                .filter(visitors::Column::SubjectId.eq(subject))
                .count(tx.db())
                .await?;
            if other_visits == 0 {
                deleted += forget(tx, workspace, subject).await?;
            }
        }
        Ok(deleted)
    }
}

/// Leaves the tombstone. Whoever writes about the person meanwhile holds their row: they come first, and the person stays.
///
/// The key is destroyed at once: should this transaction fail, what is left of the person goes by the next.
async fn forget(tx: &InstanceTx, workspace: WorkspaceId, subject: SubjectId) -> Result<u64> {
    people::Entity::update_many()
        .col_expr(people::Column::State, Expr::value(subjects::state::ERASED))
        .col_expr(people::Column::Generation, Expr::col(people::Column::Generation).add(1))
        .col_expr(people::Column::ErasedAt, Expr::value(tx.store().now()))
        .filter(people::Column::WorkspaceId.eq(workspace))
        .filter(people::Column::Id.eq(subject))
        .exec(tx.db())
        .await?;
    for table in second_reader::tables_about_people(tx).await? {
        if GO_WITH_THEM.contains(&table.as_str()) {
            continue;
        }
        let sql = format!("SELECT 1 AS one FROM \"{table}\" WHERE workspace_id = $1 AND subject_id = $2 LIMIT 1");
        let statement = Statement::from_sql_and_values(tx.store().backend(), sql, [workspace.into(), subject.into()]);
        if tx.query_one_raw(statement).await?.is_some() {
            return Err(Error::new(ErrorKind::Unavailable, "A visitor came back while they were to be forgotten."));
        }
    }
    let details = audit_details::Entity::delete_many()
        .filter(audit_details::Column::WorkspaceId.eq(workspace))
        .filter(audit_details::Column::SubjectId.eq(subject))
        .exec(tx.db())
        .await?;
    tx.store().vault().shred(workspace, subject).await?;
    Ok(details.rows_affected)
}

fn no_workspace() -> Error {
    Error::internal("visitors belong to a workspace")
}
