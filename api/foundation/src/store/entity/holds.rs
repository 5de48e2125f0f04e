//! What may not be erased yet, and why.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{HoldId, SubjectId, WorkspaceId},
};

/// A row of `holds`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "holds")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HoldId,
    pub subject_id: SubjectId,
    pub item_kind: String,
    pub item_id: Option<Uuid>,
    pub ground: String,
    pub placed_by: Option<Uuid>,
    pub placed_at: Timestamp,
    pub ends_at: Timestamp,
    pub released_by: Option<Uuid>,
    pub released_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
