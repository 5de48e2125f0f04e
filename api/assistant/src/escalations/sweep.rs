//! What is done again and again: deliveries whose job was lost, escalations in which nothing is said any more, and names of
//! those who do not answer any more.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    ErrorKind, Permission, Result, Scope,
    identity::accounts,
    jobs::{self, Duty, DutyContext, NewJob},
    store::{Store, WorkspaceTx},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    EscalationState, outbox, settings,
    turns::{self, By, Held},
};
use crate::{
    chats::state,
    entity::{deliveries, escalations, staff_names},
};

/// A delivery that is due this long has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);
const HOUR_MILLIS: i64 = 3_600_000;
const MOST: u64 = 1_000;

/// The duty.
pub struct EscalationSweep(pub Store);

#[async_trait]
impl Duty for EscalationSweep {
    fn name(&self) -> &'static str {
        "escalation-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.resolve_silent(&scope).await?;
            self.drop_names(&scope).await?;
        }
        Ok(())
    }
}

impl EscalationSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.write(scope).await?;
        let forgotten = deliveries::Entity::find()
            .filter(deliveries::Column::WorkspaceId.eq(scope.workspace()))
            .filter(deliveries::Column::State.eq(outbox::state::PENDING))
            .filter(deliveries::Column::NextAttemptAt.lt(self.0.now().minus(FORGOTTEN)))
            .limit(MOST)
            .all(tx.db())
            .await?;
        for row in forgotten {
            jobs::enqueue(&tx, NewJob::new(outbox::JOB, row.id.0).priority(1)).await?;
        }
        tx.commit().await
    }

    /// One that nobody took is resolved too: its visitor is not left with an assistant that stays silent.
    async fn resolve_silent(&self, scope: &Scope) -> Result<()> {
        let open = {
            let tx = self.0.read(scope).await?;
            escalations::Entity::find()
                .filter(escalations::Column::WorkspaceId.eq(scope.workspace()))
                .filter(escalations::Column::State.is_in(["WAITING", "TAKEN"]))
                .filter(escalations::Column::ActiveAt.lt(self.0.now().minus(Duration::from_secs(3_600))))
                .limit(MOST)
                .all(tx.db())
                .await?
        };
        for row in open {
            let tx = self.0.write(scope).await?;
            let Some(hours) = settings::of(&tx, row.assistant_id).await?.resolve_after_hours else { continue };
            let chat = match state::hold(&tx, row.chat_id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                chat => chat?,
            };
            // Somebody may have said something since the list was read.
            let now_active = super::find(&tx, row.id).await?.active_at;
            if chat.escalation_id != Some(row.id) || self.0.now().0 - now_active.0 < hours * HOUR_MILLIS {
                continue;
            }
            let held = match Held::of(&tx, chat).await {
                Err(error) if matches!(error.kind(), ErrorKind::SubjectErased | ErrorKind::Restricted) => continue,
                held => held?,
            };
            turns::close(scope, &tx, &held, EscalationState::Resolved, &By::default()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn drop_names(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.write(scope).await?;
        drop_names(&tx).await?;
        tx.commit().await
    }
}

/// Who does not answer any more has no name here.
async fn drop_names(tx: &WorkspaceTx) -> Result<()> {
    let named = staff_names::Entity::find()
        .filter(staff_names::Column::WorkspaceId.eq(tx.workspace()))
        .limit(MOST)
        .all(tx.db())
        .await?;
    for row in named {
        if !accounts::may(tx, row.account_id, Permission::ChatsAnswer).await? {
            staff_names::Entity::delete_by_id((tx.workspace(), row.account_id)).exec(tx.db()).await?;
        }
    }
    Ok(())
}
