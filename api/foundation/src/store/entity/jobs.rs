//! What is still to do; ids only.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{JobId, WorkspaceId},
};

/// A row of `jobs`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    pub job_workspace_id: Option<WorkspaceId>,
    pub kind: String,
    pub target: Option<Uuid>,
    pub dedupe_key: Option<String>,
    pub state: String,
    pub priority: i64,
    pub run_at: Timestamp,
    pub attempts: i64,
    pub claims: i64,
    pub lease_token: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
