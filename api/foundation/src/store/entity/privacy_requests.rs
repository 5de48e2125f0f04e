//! Requests of people about their data.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    id::{PrivacyRequestId, SubjectId, WorkspaceId},
};

/// A row of `privacy_requests`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_requests")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PrivacyRequestId,
    pub subject_id: Option<SubjectId>,
    pub concerns: Option<SubjectId>,
    pub kind: String,
    pub state: String,
    pub source: String,
    pub language: String,
    pub external_id: Option<String>,
    pub contact_index: Option<Vec<u8>>,
    pub contact_sealed: Option<Vec<u8>>,
    pub message_sealed: Option<Vec<u8>>,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
    pub forward_due_at: Timestamp,
    pub agreement_due_at: Timestamp,
    pub due_at: Timestamp,
    pub forwarded_at: Option<Timestamp>,
    pub code_hash: Option<Vec<u8>>,
    pub code_expires_at: Option<Timestamp>,
    pub code_tries: i64,
    pub codes_asked_at: Option<Timestamp>,
    pub codes_asked: i64,
    pub verified_at: Option<Timestamp>,
    pub verified_by: Option<String>,
    pub evidence_sealed: Option<Vec<u8>>,
    pub taken_by: Option<Uuid>,
    pub extended_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub refusal: Option<String>,
    pub words_sealed: Option<Vec<u8>>,
    pub blanked_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
