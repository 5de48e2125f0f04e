//! What persons are known by.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{IdentifierId, SubjectId, WorkspaceId},
};

/// A row of `subject_identifiers`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subject_identifiers")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IdentifierId,
    pub subject_id: SubjectId,
    pub kind: String,
    pub value_index: Vec<u8>,
    pub value_sealed: Vec<u8>,
    pub source: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
