//! What people said about the use of their data: consents and objections.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::DataHolder;
use crate::{
    error::Result,
    id::SubjectId,
    scope::Scope,
    store::{
        Store,
        entity::{consents, objections},
    },
};

/// Consents and objections. That one was given or withdrawn stays in the audit log, by surrogate ids.
pub struct WordHolder(pub Store);

#[async_trait]
impl DataHolder for WordHolder {
    fn name(&self) -> &'static str {
        "consents"
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        let of_consents = consents::Entity::find()
            .filter(consents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(consents::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        let of_objections = objections::Entity::find()
            .filter(objections::Column::WorkspaceId.eq(scope.workspace()))
            .filter(objections::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        Ok(of_consents + of_objections)
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let of_consents = consents::Entity::delete_many()
            .filter(consents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(consents::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        let of_objections = objections::Entity::delete_many()
            .filter(objections::Column::WorkspaceId.eq(scope.workspace()))
            .filter(objections::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        Ok(of_consents.rows_affected + of_objections.rows_affected)
    }
}
