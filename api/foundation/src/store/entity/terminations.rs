//! The ends of workspaces. They outlive the workspace, so they belong to none.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{TerminationId, WorkspaceExportId, WorkspaceId},
};

/// A row of `terminations`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "terminations")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TerminationId,
    pub ended_workspace_id: WorkspaceId,
    pub choice: String,
    pub state: String,
    pub requested_at: Timestamp,
    pub requested_by: Option<Uuid>,
    pub purge_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    pub export_id: Option<WorkspaceExportId>,
    pub receipt_hash: Option<Vec<u8>>,
    pub reminders: i64,
    pub steps: String,
    pub kept: String,
    pub kept_sealed: Option<Vec<u8>>,
    pub purged_at: Option<Timestamp>,
    pub certificate_jws: Option<String>,
    pub finalised_at: Option<Timestamp>,
    pub final_certificate_jws: Option<String>,
    pub alerted_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
