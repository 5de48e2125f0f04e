//! Files of the knowledge under the newest version of the workspace's key: a file is written again under another name, its row
//! is pointed at it, and the old one goes as every file does that no row names (`sweep`).

use std::collections::BTreeSet;

use async_trait::async_trait;
use consigne_foundation::{Result, Scope, id::random_uuid, keys::SealedElsewhere};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{Knowledge, sweep};
use crate::entity::{documents, uploads};

/// The files of documents and uploads. What leaves is gone by itself before long: it is only counted.
pub struct SealedFiles(pub Knowledge);

#[async_trait]
impl SealedElsewhere for SealedFiles {
    fn name(&self) -> &'static str {
        "files"
    }

    async fn reseal(&self, scope: &Scope, version: u32) -> Result<()> {
        let named: BTreeSet<String> = sweep::files(&self.0.store.read(scope).await?).await?.into_iter().collect();
        for path in named {
            if self.0.blobs.sealed_by(&path).await? == Some(version) {
                self.reseal_one(scope, &path).await?;
            }
        }
        Ok(())
    }

    async fn count(&self, scope: &Scope, version: u32) -> Result<u64> {
        let mut left = 0;
        for path in self.0.blobs.list(scope.workspace()).await? {
            left += u64::from(self.0.blobs.sealed_by(&path).await? == Some(version));
        }
        Ok(left)
    }
}

impl SealedFiles {
    async fn reseal_one(&self, scope: &Scope, old: &str) -> Result<()> {
        let (knowledge, workspace) = (&self.0, scope.workspace());
        let key = knowledge.store.vault().workspace_key(workspace).await?;
        let body = knowledge.blobs.get(&key, workspace, old).await?;
        let stored = knowledge.blobs.put(&key, workspace, random_uuid(), body, u64::MAX).await?;
        let tx = knowledge.store.write(scope).await?;
        let in_documents = documents::Entity::update_many()
            .col_expr(documents::Column::BlobKey, Expr::value(stored.path.clone()))
            .filter(documents::Column::WorkspaceId.eq(workspace))
            .filter(documents::Column::BlobKey.eq(old))
            // Whoever deletes it knows the file by the name that it had.
            .filter(documents::Column::State.ne("DELETING"))
            .exec(tx.db())
            .await?;
        let in_uploads = uploads::Entity::update_many()
            .col_expr(uploads::Column::BlobKey, Expr::value(stored.path.clone()))
            .filter(uploads::Column::WorkspaceId.eq(workspace))
            .filter(uploads::Column::BlobKey.eq(old))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        if in_documents.rows_affected + in_uploads.rows_affected == 0 {
            knowledge.blobs.delete(&stored.path).await?;
        }
        Ok(())
    }
}
