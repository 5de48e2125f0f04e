//! What this crate holds about a visitor, for the privacy engine: escalations and chats in the database, and vectors.

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    id::SubjectId,
    jobs,
    privacy::DataHolder,
    store::{Notice, Store, Topic},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

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
        let erased = of_subject!(chat_events, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(citations, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(answers, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(messages, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(chats, delete_many, scope, subject).exec(tx.db()).await?.rows_affected;
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
        let erased = of_subject!(deliveries, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(channel_threads, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(inbox_events, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(chat_notes, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(chat_reads, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(escalations, delete_many, scope, subject).exec(tx.db()).await?.rows_affected;
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
