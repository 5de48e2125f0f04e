//! Finds what was left behind: documents whose job was lost, uploads that nobody completed.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    jobs::{self, Duty, DutyContext},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Knowledge, documents::DocumentState, ingest};
use crate::entity::{documents, uploads};

/// A pending document that has not changed for this long has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The duty.
pub struct KnowledgeSweep(pub Knowledge);

#[async_trait]
impl Duty for KnowledgeSweep {
    fn name(&self) -> &'static str {
        "knowledge-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.drop_expired_uploads(&scope).await?;
        }
        Ok(())
    }
}

impl KnowledgeSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let before = store.now().minus(FORGOTTEN);
        let tx = store.write(scope).await?;
        let forgotten = documents::Entity::find()
            .filter(documents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(documents::Column::State.eq(DocumentState::Pending.name()))
            .filter(documents::Column::UpdatedAt.lt(before))
            .limit(1_000)
            .all(tx.db())
            .await?;
        for document in forgotten {
            jobs::enqueue(&tx, ingest::job(document.id)).await?;
        }
        tx.commit().await
    }

    async fn drop_expired_uploads(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let expired = {
            let tx = store.read(scope).await?;
            uploads::Entity::find()
                .filter(uploads::Column::WorkspaceId.eq(scope.workspace()))
                .filter(uploads::Column::ExpiresAt.lt(store.now()))
                .limit(1_000)
                .all(tx.db())
                .await?
        };
        for upload in expired {
            if let Some(blob) = &upload.blob_key {
                self.0.blobs.delete(blob).await?;
            }
            let tx = store.write(scope).await?;
            uploads::Entity::delete_by_id((scope.workspace(), upload.id)).exec(tx.db()).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
