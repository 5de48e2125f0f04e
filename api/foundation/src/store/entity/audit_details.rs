//! What an audit entry was about, apart from the chain so that it can be erased.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceId},
};

/// A row of `audit_details`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_details")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub subject_id: Option<SubjectId>,
    pub details_sealed: Vec<u8>,
    pub at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
