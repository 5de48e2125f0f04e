//! What serving people's rights itself holds about them: what they are known by, copies made for them, restrictions, and who
//! got their data. Asked last: the other holders may look a person up here.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::{
    DataHolder, exports,
    holding::{self, Counted, Holding, Provided, Table},
};
use crate::{
    blobs::Blobs,
    error::Result,
    id::{DataExportId, SubjectId},
    jobs,
    scope::Scope,
    store::{
        Store, WorkspaceTx,
        entity::{data_exports, restrictions, subject_identifiers, subject_recipients},
    },
};

/// Rows in the database, and the files of copies.
pub struct RightsHolder {
    /// The database.
    pub store: Store,
    /// The files.
    pub blobs: Blobs,
}

static TABLES: [Table; 5] = [
    Table::of_subject("subject_identifiers", "the person, the workspace's own systems or its staff, as each row says")
        .provided(&[Provided {
            kind: "IDENTIFIER",
            when: Some(("source", "PERSON")),
            text: "value",
            id: Some("id"),
            within: None,
            at: Some("updated_at"),
            of_type: Some("kind"),
        }]),
    Table::of_subject("data_exports", "the service itself, when a copy was asked for"),
    Table::of_subject("restrictions", "the person, or who serves rights"),
    Table::of_subject("subject_recipients", "the service itself, before data left it"),
    // Kept when the person is erased: it says why something was not.
    Table::of_subject("holds", "who serves rights, where the law keeps something from being erased"),
];

macro_rules! of_subject {
    ($entity:ident, $operation:ident, $scope:expr, $subject:expr) => {
        $entity::Entity::$operation()
            .filter($entity::Column::WorkspaceId.eq($scope.workspace()))
            .filter($entity::Column::SubjectId.eq($subject))
    };
}

#[async_trait]
impl DataHolder for RightsHolder {
    fn name(&self) -> &'static str {
        "rights"
    }

    fn tables(&self) -> &'static [Table] {
        &TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.store.read(scope).await?;
        Ok(of_subject!(subject_identifiers, find, scope, subject).count(tx.db()).await?
            + of_subject!(data_exports, find, scope, subject).count(tx.db()).await?
            + of_subject!(restrictions, find, scope, subject).count(tx.db()).await?
            + of_subject!(subject_recipients, find, scope, subject).count(tx.db()).await?)
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.store, &TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.store, &TABLES, subject).await
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let files = {
            let tx = self.store.read(scope).await?;
            of_subject!(data_exports, find, scope, subject).all(tx.db()).await?
        };
        // A file that is being made is named by its export, though no row names it yet.
        for file in &files {
            self.blobs.delete(&Blobs::path(scope.workspace(), file.id.0)).await?;
        }
        let tx = self.store.write(scope).await?;
        let asked: Vec<DataExportId> = of_subject!(data_exports, find, scope, subject)
            .select_only()
            .column(data_exports::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let erased = of_subject!(subject_identifiers, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(data_exports, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(restrictions, delete_many, scope, subject).exec(tx.db()).await?.rows_affected
            + of_subject!(subject_recipients, delete_many, scope, subject).exec(tx.db()).await?.rows_affected;
        jobs::cancel(&tx, exports::JOB, asked.iter().map(|id| id.0)).await?;
        tx.commit().await?;
        Ok(erased)
    }
}
