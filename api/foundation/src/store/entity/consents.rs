//! What people consented to, and withdrew.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    id::{ConsentId, SubjectId, WorkspaceId},
};

/// A row of `consents`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consents")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentId,
    pub subject_id: SubjectId,
    pub purpose: String,
    pub version: i64,
    pub text_hash: Vec<u8>,
    pub given_at: Timestamp,
    pub given_by_kind: String,
    pub given_by: Option<Uuid>,
    pub evidence_sealed: Option<Vec<u8>>,
    pub withdrawn_at: Option<Timestamp>,
    pub withdrawn_by_kind: Option<String>,
    pub withdrawn_by: Option<Uuid>,
    pub withdrawal_evidence_sealed: Option<Vec<u8>>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
