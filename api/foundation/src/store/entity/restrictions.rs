//! Restrictions of processing.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{RestrictionId, SubjectId, WorkspaceId},
};

/// A row of `restrictions`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "restrictions")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RestrictionId,
    pub subject_id: SubjectId,
    pub ground: String,
    pub restricted_at: Timestamp,
    pub restricted_by: Option<Uuid>,
    pub noticed_at: Option<Timestamp>,
    pub noticed_by: Option<Uuid>,
    pub notice_means: Option<String>,
    pub lifted_at: Option<Timestamp>,
    pub lifted_by: Option<Uuid>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
