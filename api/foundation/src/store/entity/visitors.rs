//! Visitors of a customer's site.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AssistantId, SubjectId, VisitorId, WorkspaceId},
};

/// A row of `visitors`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "visitors")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VisitorId,
    pub subject_id: SubjectId,
    pub assistant_id: AssistantId,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
