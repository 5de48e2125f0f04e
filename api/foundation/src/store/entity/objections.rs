//! What people objected to.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceId},
};

/// A row of `objections`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "objections")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: SubjectId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: String,
    pub stands: bool,
    pub revision: i64,
    pub reason_sealed: Option<Vec<u8>>,
    pub recorded_by_kind: String,
    pub recorded_by: Option<Uuid>,
    pub recorded_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
