//! Staged uploads.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{DocumentId, UploadId, WorkspaceId},
};

/// A row of `uploads`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "uploads")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UploadId,
    pub replaces_document_id: Option<DocumentId>,
    pub file_name: String,
    pub media_type: String,
    pub declared_bytes: i64,
    pub received_bytes: Option<i64>,
    pub content_hash: Option<Vec<u8>>,
    pub blob_key: Option<String>,
    pub state: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub tags: String,
    pub dated_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
