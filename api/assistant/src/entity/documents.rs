//! Documents of the knowledge.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{DocumentId, WorkspaceId},
};

/// A row of `documents`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "documents")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DocumentId,
    pub title: String,
    pub file_name: String,
    pub media_type: String,
    pub bytes: i64,
    pub content_hash: Vec<u8>,
    pub blob_key: String,
    pub language: Option<String>,
    pub state: String,
    pub stage: String,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub version: i64,
    pub passages_total: i64,
    pub passages_done: i64,
    pub passages_reused: i64,
    pub progress_seq: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub source_id: Option<Uuid>,
    pub tags: String,
    pub dated_at: Option<Timestamp>,
    pub url: Option<String>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
