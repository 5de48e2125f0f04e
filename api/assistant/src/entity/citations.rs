//! What an answer rests on.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{AnswerId, DocumentId, PassageId, SubjectId, WorkspaceId};

/// A row of `citations`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "citations")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub answer_id: AnswerId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub subject_id: SubjectId,
    pub document_id: DocumentId,
    pub passage_id: PassageId,
    pub title_sealed: Vec<u8>,
    pub quote_sealed: Vec<u8>,
    pub location_sealed: Option<Vec<u8>>,
    pub score: f64,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
