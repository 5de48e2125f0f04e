//! Persons about whom a workspace holds data.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceId},
};

/// A row of `subjects`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subjects")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubjectId,
    pub kind: String,
    pub state: String,
    pub generation: i64,
    pub created_at: Timestamp,
    pub erased_at: Option<Timestamp>,
    pub restricted_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
