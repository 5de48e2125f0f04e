//! What is done again and again: deliveries whose job was lost, escalations in which nothing is said any more, and what
//! was kept long enough.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    ErrorKind, Permission, Result, Scope,
    identity::accounts,
    jobs::{self, Duty, DutyContext, NewJob},
    store::{Store, WorkspaceTx},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};

use super::{
    EscalationState, outbox, settings,
    turns::{self, By, Held},
};
use crate::{
    chats::state,
    entity::{channel_events, deliveries, escalations, inbox_events, staff_names},
};

/// A delivery that is due this long has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// The other side's retries end well before.
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
const INBOX_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
const DELIVERIES_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);
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
            self.drop_old(&scope).await?;
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

    async fn drop_old(&self, scope: &Scope) -> Result<()> {
        let now = self.0.now();
        let tx = self.0.write(scope).await?;
        channel_events::Entity::delete_many()
            .filter(channel_events::Column::WorkspaceId.eq(scope.workspace()))
            .filter(channel_events::Column::ReceivedAt.lt(now.minus(EVENTS_KEPT)))
            .exec(tx.db())
            .await?;
        inbox_events::Entity::delete_many()
            .filter(inbox_events::Column::WorkspaceId.eq(scope.workspace()))
            .filter(inbox_events::Column::CreatedAt.lt(now.minus(INBOX_KEPT)))
            .exec(tx.db())
            .await?;
        // An opening is kept as long as its escalation is open: it says which channels listen.
        deliveries::Entity::delete_many()
            .filter(deliveries::Column::WorkspaceId.eq(scope.workspace()))
            .filter(deliveries::Column::Kind.ne(outbox::kind::OPENED))
            .filter(deliveries::Column::State.ne(outbox::state::PENDING))
            .filter(deliveries::Column::FinishedAt.lt(now.minus(DELIVERIES_KEPT)))
            .exec(tx.db())
            .await?;
        let of_ended = Statement::from_sql_and_values(
            tx.get_database_backend(),
            "DELETE FROM deliveries WHERE workspace_id = $1 AND kind = 'OPENED' AND state <> 'PENDING' AND finished_at < $2 \
             AND NOT EXISTS (SELECT 1 FROM escalations e WHERE e.workspace_id = deliveries.workspace_id \
             AND e.id = deliveries.escalation_id AND e.state IN ('WAITING', 'TAKEN'))",
            [scope.workspace().into(), now.minus(DELIVERIES_KEPT).0.into()],
        );
        tx.execute_raw(of_ended).await?;
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
