//! What people said about the use of their data: consents, objections and requests.

use async_trait::async_trait;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    DataHolder,
    holding::{self, Counted, Holding, Table},
    objections, requests,
};
use crate::{
    error::Result,
    id::SubjectId,
    scope::Scope,
    store::{
        Store, WorkspaceTx,
        entity::{consents, objections as objection_table, privacy_requests},
    },
};

/// Consents and objections, and what people wrote in requests. That one was given, withdrawn or answered stays, by surrogate
/// ids.
pub struct WordHolder(pub Store);

static TABLES: [Table; 3] = [
    Table::of_subject("consents", "the person, when they agreed"),
    Table::of_subject("objections", "the person, when they objected")
        .sealed_at("subject_id", None)
        .part_by("purpose", objections::part_of),
    Table::of_subject("privacy_requests", "the person, when they asked"),
];

#[async_trait]
impl DataHolder for WordHolder {
    fn name(&self) -> &'static str {
        "consents"
    }

    fn tables(&self) -> &'static [Table] {
        &TABLES
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.0, &TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.0, &TABLES, subject).await
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        let of_consents = consents::Entity::find()
            .filter(consents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(consents::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        let of_objections = objection_table::Entity::find()
            .filter(objection_table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(objection_table::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        let of_requests = privacy_requests::Entity::find()
            .filter(privacy_requests::Column::WorkspaceId.eq(scope.workspace()))
            .filter(privacy_requests::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        Ok(of_consents + of_objections + of_requests)
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let of_consents = consents::Entity::delete_many()
            .filter(consents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(consents::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        let of_objections = objection_table::Entity::delete_many()
            .filter(objection_table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(objection_table::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        let of_requests = privacy_requests::Entity::find()
            .filter(privacy_requests::Column::WorkspaceId.eq(scope.workspace()))
            .filter(privacy_requests::Column::SubjectId.eq(subject))
            .all(tx.db())
            .await?;
        let written = of_requests.len() as u64;
        for mut row in of_requests {
            requests::deadlines::empty(&mut row, tx.store().now());
            privacy_requests::ActiveModel::from(row).reset_all().update(tx.db()).await?;
        }
        tx.commit().await?;
        Ok(of_consents.rows_affected + of_objections.rows_affected + written)
    }
}
