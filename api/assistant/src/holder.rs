//! What this crate holds about a visitor, for the privacy engine: escalations and chats in the database, and vectors.

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    id::SubjectId,
    jobs,
    privacy::{DataHolder, holds},
    store::{Notice, Store, Topic, WorkspaceTx},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    chats::answer,
    entity::{
        answers, channel_threads, chat_events, chat_notes, chat_reads, chats, citations, deliveries, escalations,
        inbox_events, messages,
    },
    escalations::outbox,
    knowledge::{Knowledge, search},
};

/// Chats with everything in them. Their jobs go too, and whoever listens is told.
pub struct ChatHolder(pub Store);

macro_rules! of_subject {
    ($entity:ident, $operation:ident, $scope:expr, $subject:expr) => {
        $entity::Entity::$operation()
            .filter($entity::Column::WorkspaceId.eq($scope.workspace()))
            .filter($entity::Column::SubjectId.eq($subject))
    };
}

/// Deletes rows of a person, but for those of what is held; a row of nothing in particular goes.
macro_rules! erase_but {
    ($tx:expr, $scope:expr, $subject:expr, $entity:ident, $column:ident, $held:expr) => {{
        let column = $entity::Column::$column;
        let is_free = Condition::any().add(column.is_null()).add(column.is_not_in($held.iter().copied()));
        of_subject!($entity, delete_many, $scope, $subject).filter(is_free).exec($tx.db()).await?.rows_affected
    }};
}

/// Chats of a person that are held, and what was said and done in them.
struct Held {
    chats: Vec<Uuid>,
    answers: Vec<Uuid>,
    escalations: Vec<Uuid>,
}

impl Held {
    async fn of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Self> {
        let chats = holds::chats_of(tx, subject).await?;
        if chats.is_empty() {
            return Ok(Self { chats, answers: Vec::new(), escalations: Vec::new() });
        }
        let answers = answers::Entity::find()
            .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
            .filter(answers::Column::ChatId.is_in(chats.iter().copied()))
            .select_only()
            .column(answers::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let escalations = escalations::Entity::find()
            .filter(escalations::Column::WorkspaceId.eq(tx.workspace()))
            .filter(escalations::Column::ChatId.is_in(chats.iter().copied()))
            .select_only()
            .column(escalations::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        Ok(Self { chats, answers, escalations })
    }
}

#[async_trait]
impl DataHolder for ChatHolder {
    fn name(&self) -> &'static str {
        "chats"
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        Ok(of_subject!(chat_events, find, scope, subject).count(tx.db()).await?
            + of_subject!(citations, find, scope, subject).count(tx.db()).await?
            + of_subject!(answers, find, scope, subject).count(tx.db()).await?
            + of_subject!(messages, find, scope, subject).count(tx.db()).await?
            + of_subject!(chats, find, scope, subject).count(tx.db()).await?)
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let open: Vec<consigne_foundation::id::AnswerId> = of_subject!(answers, find, scope, subject)
            .select_only()
            .column(answers::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let listened: Vec<consigne_foundation::id::ChatId> = of_subject!(chats, find, scope, subject)
            .select_only()
            .column(chats::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let held = Held::of(&tx, subject).await?;
        let erased = erase_but!(tx, scope, subject, chat_events, ChatId, held.chats)
            + erase_but!(tx, scope, subject, citations, AnswerId, held.answers)
            + erase_but!(tx, scope, subject, answers, ChatId, held.chats)
            + erase_but!(tx, scope, subject, messages, ChatId, held.chats)
            + erase_but!(tx, scope, subject, chats, Id, held.chats);
        jobs::cancel(&tx, answer::JOB, open.iter().map(|id| id.0)).await?;
        for chat in listened {
            tx.notify(Notice { topic: Topic::Chat, id: chat.0 });
        }
        tx.commit().await?;
        Ok(erased)
    }
}

/// Escalations with notes, the inbox and the outbox: what was not delivered yet never is. To be asked before [`ChatHolder`],
/// whose rows these hang on.
pub struct EscalationHolder(pub Store);

#[async_trait]
impl DataHolder for EscalationHolder {
    fn name(&self) -> &'static str {
        "escalations"
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        Ok(of_subject!(deliveries, find, scope, subject).count(tx.db()).await?
            + of_subject!(channel_threads, find, scope, subject).count(tx.db()).await?
            + of_subject!(inbox_events, find, scope, subject).count(tx.db()).await?
            + of_subject!(chat_notes, find, scope, subject).count(tx.db()).await?
            + of_subject!(chat_reads, find, scope, subject).count(tx.db()).await?
            + of_subject!(escalations, find, scope, subject).count(tx.db()).await?)
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let waiting: Vec<consigne_foundation::id::DeliveryId> = of_subject!(deliveries, find, scope, subject)
            .select_only()
            .column(deliveries::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let held = Held::of(&tx, subject).await?;
        let erased = erase_but!(tx, scope, subject, deliveries, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, channel_threads, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, inbox_events, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, chat_notes, ChatId, held.chats)
            + erase_but!(tx, scope, subject, chat_reads, ChatId, held.chats)
            + erase_but!(tx, scope, subject, escalations, ChatId, held.chats);
        jobs::cancel(&tx, outbox::JOB, waiting.iter().map(|id| id.0)).await?;
        tx.notify(Notice { topic: Topic::Inbox, id: scope.workspace().0 });
        tx.commit().await?;
        Ok(erased)
    }
}

/// Vectors. Nothing that a visitor writes is embedded into an index, so what could be left of anyone are points whose
/// passage is gone; they are counted against the database and taken away.
pub struct VectorHolder(pub Knowledge);

#[async_trait]
impl DataHolder for VectorHolder {
    fn name(&self) -> &'static str {
        "vectors"
    }

    async fn count(&self, scope: &Scope, _: SubjectId) -> Result<u64> {
        search::count_orphans(scope, &self.0).await
    }

    async fn erase(&self, scope: &Scope, _: SubjectId) -> Result<u64> {
        search::remove_orphans(scope, &self.0).await
    }
}
