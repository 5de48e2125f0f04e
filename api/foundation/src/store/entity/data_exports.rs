//! Copies of what is held about a person, made for them.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{DataExportId, SubjectId, WorkspaceId},
};

/// A row of `data_exports`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "data_exports")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DataExportId,
    pub subject_id: SubjectId,
    pub kind: String,
    pub state: String,
    pub idempotency_key: String,
    pub requested_at: Timestamp,
    pub requested_by: Option<Uuid>,
    pub ready_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub fetched_at: Option<Timestamp>,
    pub bytes: Option<i64>,
    pub blob_key: Option<String>,
    pub link_hash: Option<Vec<u8>>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
