//! Finds answers whose job was lost, and drops deltas that nobody can still be waiting for.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    jobs::{self, Duty, DutyContext, NewJob},
    store::Store,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{answer, events};
use crate::entity::{answers, chat_events};

/// An open answer this old has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Deltas serve listeners that reconnect; the whole text stands in the answer.
const DELTAS_LIVE: Duration = Duration::from_secs(24 * 3_600);

/// The duty.
pub struct ChatSweep(pub Store);

#[async_trait]
impl Duty for ChatSweep {
    fn name(&self) -> &'static str {
        "chat-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.drop_old_deltas(&scope).await?;
        }
        Ok(())
    }
}

impl ChatSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.write(scope).await?;
        let forgotten = answers::Entity::find()
            .filter(answers::Column::WorkspaceId.eq(scope.workspace()))
            .filter(answers::Column::Status.is_in(["PENDING", "STREAMING"]))
            .filter(answers::Column::CreatedAt.lt(self.0.now().minus(FORGOTTEN)))
            .limit(1_000)
            .all(tx.db())
            .await?;
        for row in forgotten {
            jobs::enqueue(&tx, NewJob::new(answer::JOB, row.id.0).priority(0)).await?;
        }
        tx.commit().await
    }

    async fn drop_old_deltas(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.write(scope).await?;
        chat_events::Entity::delete_many()
            .filter(chat_events::Column::WorkspaceId.eq(scope.workspace()))
            .filter(chat_events::Column::Kind.eq(events::DELTA))
            .filter(chat_events::Column::CreatedAt.lt(self.0.now().minus(DELTAS_LIVE)))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }
}
