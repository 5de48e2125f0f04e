//! What of this crate goes by itself once its time is over: chats with everything in them, and what channels were told.

use std::sync::Arc;

use async_trait::async_trait;
use consigne_foundation::{
    Error, Result, Timestamp,
    id::{ChatId, SubjectId, WorkspaceId},
    privacy::retention::{Candidate, Expiring, TableRows},
    store::InstanceTx,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};

use crate::entity::chats;

/// The classes of this crate, in the order in which they go.
pub fn classes() -> Vec<Arc<dyn Expiring>> {
    vec![
        Arc::new(TableRows::of_workspaces("channel_events")),
        Arc::new(TableRows::of_workspaces("inbox_events")),
        // An opening is kept as long as its escalation is open: it says which channels listen.
        Arc::new(TableRows::of_workspaces("deliveries").only(
            "t.state <> 'PENDING' AND (t.kind <> 'OPENED' OR NOT EXISTS (SELECT 1 FROM escalations e \
             WHERE e.workspace_id = t.workspace_id AND e.id = t.escalation_id AND e.state IN ('WAITING', 'TAKEN')))",
        )),
        Arc::new(ChatRows),
    ]
}

/// Chats. What was said in one goes with it, and the escalations that it had.
struct ChatRows;

/// What hangs on a chat, in the order in which it can go; `{chats}` is the list of them.
const OF_CHATS: [&str; 12] = [
    "DELETE FROM deliveries WHERE workspace_id = $1 AND escalation_id IN ({escalations})",
    "DELETE FROM channel_threads WHERE workspace_id = $1 AND escalation_id IN ({escalations})",
    "DELETE FROM inbox_events WHERE workspace_id = $1 AND escalation_id IN ({escalations})",
    "DELETE FROM chat_notes WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM chat_reads WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM escalations WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM chat_events WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM citations WHERE workspace_id = $1 AND answer_id IN \
     (SELECT a.id FROM answers a WHERE a.workspace_id = $1 AND a.chat_id IN ({chats}))",
    "DELETE FROM answers WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM messages WHERE workspace_id = $1 AND chat_id IN ({chats})",
    "DELETE FROM chats WHERE workspace_id = $1 AND id IN ({chats})",
    "DELETE FROM jobs WHERE job_workspace_id = $1 AND target IN ({chats})",
];

const ESCALATIONS: &str = "SELECT e.id FROM escalations e WHERE e.workspace_id = $1 AND e.chat_id IN ({chats})";

#[async_trait]
impl Expiring for ChatRows {
    fn table(&self) -> &'static str {
        "chats"
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
        let mut query = chats::Entity::find()
            .filter(chats::Column::WorkspaceId.eq(workspace))
            .filter(chats::Column::UpdatedAt.lte(newest))
            .order_by_asc(chats::Column::UpdatedAt)
            .order_by_asc(chats::Column::Id)
            .limit(limit);
        if let Some(Candidate { began, key, .. }) = after {
            let last: Vec<Value> = key.clone();
            let same = Condition::all()
                .add(chats::Column::UpdatedAt.eq(*began))
                .add(chats::Column::Id.gt(last.into_iter().next().ok_or_else(no_workspace)?));
            query = query.filter(Condition::any().add(chats::Column::UpdatedAt.gt(*began)).add(same));
        }
        let rows = query
            .select_only()
            .columns([chats::Column::Id, chats::Column::SubjectId, chats::Column::UpdatedAt])
            .into_tuple::<(ChatId, SubjectId, Timestamp)>()
            .all(tx.db())
            .await?;
        let candidate = |(id, subject, began): (ChatId, SubjectId, Timestamp)| Candidate {
            key: vec![id.into()],
            subject: Some(subject),
            began,
        };
        Ok(rows.into_iter().map(candidate).collect())
    }

    async fn delete(&self, tx: &InstanceTx, workspace: Option<WorkspaceId>, some: &[Candidate]) -> Result<u64> {
        let workspace = workspace.ok_or_else(no_workspace)?;
        let numbers: Vec<String> = (2..some.len() + 2).map(|number| format!("${number}")).collect();
        let values: Vec<Value> =
            std::iter::once(workspace.into()).chain(some.iter().flat_map(|chat| chat.key.clone())).collect();
        let mut deleted = 0;
        for sql in OF_CHATS {
            let sql = sql.replace("{escalations}", ESCALATIONS).replace("{chats}", &numbers.join(", "));
            let statement = Statement::from_sql_and_values(tx.store().backend(), sql, values.clone());
            deleted += tx.execute_raw(statement).await?.rows_affected();
        }
        Ok(deleted)
    }
}

fn no_workspace() -> Error {
    Error::internal("chats belong to a workspace")
}
