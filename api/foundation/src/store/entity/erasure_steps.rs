//! Each step of an erasure, with counts.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{ErasureId, WorkspaceId},
};

/// A row of `erasure_steps`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "erasure_steps")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub erasure_id: ErasureId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub name: String,
    pub state: String,
    pub erased: i64,
    pub remaining: Option<i64>,
    pub detail: Option<String>,
    pub finished_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
