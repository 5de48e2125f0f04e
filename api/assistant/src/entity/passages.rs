//! Passages with text and vector, sealed.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{DocumentId, PassageId, WorkspaceId};

/// A row of `passages`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "passages")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PassageId,
    pub document_id: DocumentId,
    pub document_version: i64,
    pub ordinal: i64,
    pub content_hash: Vec<u8>,
    pub model_fingerprint: Vec<u8>,
    pub tokens: i64,
    pub language: Option<String>,
    pub page: Option<i64>,
    pub text_sealed: Vec<u8>,
    pub headings_sealed: Vec<u8>,
    pub vector_sealed: Vec<u8>,
    pub knowledge_version: i64,
    pub terms_sealed: Option<Vec<u8>>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
