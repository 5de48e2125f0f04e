//! What this crate itself holds about a visitor: the visitor rows, who the customer says they are, and the details of audit
//! entries.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    DataHolder,
    holding::{self, Counted, Holding, Table},
};
use crate::{
    audit,
    error::Result,
    id::SubjectId,
    scope::Scope,
    store::{
        Store, WorkspaceTx,
        entity::{audit_details, visitor_identities, visitors},
    },
};

/// Visitors and audit details. The audit chain itself holds surrogate ids only and stays whole.
pub struct IdentityHolder(pub Store);

static TABLES: [Table; 3] = [
    Table::of_subject("visitors", "the service itself, when the person came in"),
    Table::of_subject("visitor_identities", "the customer's server, when it vouched for the person")
        .sealed_at("subject_id", None),
    Table::of_subject("audit_details", "the service itself, when something was done")
        .sealed_at("workspace_id", Some("seq"))
        .read_by(audit::read_details),
];

#[async_trait]
impl DataHolder for IdentityHolder {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn tables(&self) -> &'static [Table] {
        &TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        let of_visitors = visitors::Entity::find()
            .filter(visitors::Column::WorkspaceId.eq(scope.workspace()))
            .filter(visitors::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        let of_details = audit_details::Entity::find()
            .filter(audit_details::Column::WorkspaceId.eq(scope.workspace()))
            .filter(audit_details::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        let of_identities = visitor_identities::Entity::find()
            .filter(visitor_identities::Column::WorkspaceId.eq(scope.workspace()))
            .filter(visitor_identities::Column::SubjectId.eq(subject))
            .count(tx.db())
            .await?;
        Ok(of_visitors + of_details + of_identities)
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

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let of_visitors = visitors::Entity::delete_many()
            .filter(visitors::Column::WorkspaceId.eq(scope.workspace()))
            .filter(visitors::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        let of_details = audit_details::Entity::delete_many()
            .filter(audit_details::Column::WorkspaceId.eq(scope.workspace()))
            .filter(audit_details::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        let of_identities = visitor_identities::Entity::delete_many()
            .filter(visitor_identities::Column::WorkspaceId.eq(scope.workspace()))
            .filter(visitor_identities::Column::SubjectId.eq(subject))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        Ok(of_visitors.rows_affected + of_details.rows_affected + of_identities.rows_affected)
    }
}
