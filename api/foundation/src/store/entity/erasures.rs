//! Erasures of persons and their certificates.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{ErasureId, SubjectId, WorkspaceId},
};

/// A row of `erasures`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "erasures")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ErasureId,
    pub subject_id: SubjectId,
    pub idempotency_key: String,
    pub state: String,
    pub requested_at: Timestamp,
    pub requested_by: Option<Uuid>,
    pub completed_at: Option<Timestamp>,
    pub certificate_jws: Option<String>,
    pub final_certificate_jws: Option<String>,
    pub finalised_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
