//! What an index has of a workspace, and how it is emptied of it when the workspace ends.

use std::collections::BTreeSet;

use async_trait::async_trait;
use consigne_foundation::{Result, Scope, leaving::Estate};
use consigne_sdk::Partition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Knowledge, embeddings::model};
use crate::entity::{embedding_changes, passages, search_models};

/// Vectors of all models that the workspace was ever searched with.
pub struct VectorEstate(pub Knowledge);

#[async_trait]
impl Estate for VectorEstate {
    fn name(&self) -> &'static str {
        "vectors"
    }

    async fn count(&self, scope: &Scope) -> Result<u64> {
        let index = self.0.registry.vector_index()?;
        let mut left = 0;
        for partition in self.partitions(scope).await? {
            left += index.count(&partition).await?;
        }
        Ok(left)
    }

    async fn erase(&self, scope: &Scope) -> Result<u64> {
        let index = self.0.registry.vector_index()?;
        let mut gone = 0;
        for partition in self.partitions(scope).await? {
            gone += index.count(&partition).await?;
            index.drop_partition(&partition).await?;
            index.purge(&partition).await?;
        }
        Ok(gone)
    }
}

impl VectorEstate {
    async fn partitions(&self, scope: &Scope) -> Result<Vec<Partition>> {
        let workspace = scope.workspace();
        let tx = self.0.store.read(scope).await?;
        let mut models: BTreeSet<Vec<u8>> = BTreeSet::new();
        models.extend(
            search_models::Entity::find()
                .filter(search_models::Column::WorkspaceId.eq(workspace))
                .all(tx.db())
                .await?
                .into_iter()
                .map(|row| row.model_fingerprint),
        );
        models.extend(
            embedding_changes::Entity::find()
                .filter(embedding_changes::Column::WorkspaceId.eq(workspace))
                .all(tx.db())
                .await?
                .into_iter()
                .flat_map(|row| [row.from_fingerprint, row.to_fingerprint]),
        );
        let of_passages: Vec<Vec<u8>> = passages::Entity::find()
            .filter(passages::Column::WorkspaceId.eq(workspace))
            .select_only()
            .column(passages::Column::ModelFingerprint)
            .distinct()
            .into_tuple()
            .all(tx.db())
            .await?;
        models.extend(of_passages);
        // Where the rows are gone already, the index that everybody has by default is asked all the same.
        models.insert(self.0.registry.embedder()?.model().fingerprint.0.to_vec());
        Ok(models.iter().map(|model| Partition::new(workspace.0, model::fingerprint(model))).collect())
    }
}
