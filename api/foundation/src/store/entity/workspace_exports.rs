//! Archives of everything of a workspace.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{WorkspaceExportId, WorkspaceId},
};

/// A row of `workspace_exports`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "workspace_exports")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WorkspaceExportId,
    pub state: String,
    pub idempotency_key: String,
    pub requested_at: Timestamp,
    pub requested_by: Option<Uuid>,
    pub began_at: Option<Timestamp>,
    pub work_total: i64,
    pub work_done: i64,
    pub archived_rows: Option<i64>,
    pub failure: Option<String>,
    pub ready_at: Option<Timestamp>,
    pub kept_until: Option<Timestamp>,
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
