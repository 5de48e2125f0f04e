//! Changes of the embedding model.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{EmbeddingChangeId, WorkspaceId},
};

/// A row of `embedding_changes`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "embedding_changes")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EmbeddingChangeId,
    pub state: String,
    pub from_fingerprint: Vec<u8>,
    pub from_name: String,
    pub from_dimensions: i64,
    pub to_fingerprint: Vec<u8>,
    pub to_name: String,
    pub to_dimensions: i64,
    pub to_plugin_id: String,
    pub is_chosen: bool,
    pub passages_total: i64,
    pub passages_done: i64,
    pub failure_message: Option<String>,
    pub started_at: Timestamp,
    pub switched_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub cleared_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
