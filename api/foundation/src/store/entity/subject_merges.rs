//! Which persons are one.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{MergeId, SubjectId, WorkspaceId},
};

/// A row of `subject_merges`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subject_merges")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MergeId,
    pub absorbed_id: SubjectId,
    pub into_id: SubjectId,
    pub merged_at: Timestamp,
    pub merged_by: Option<Uuid>,
    pub split_at: Option<Timestamp>,
    pub split_by: Option<Uuid>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
