//! With which embedding model a workspace is searched.

use sea_orm::entity::prelude::*;

use consigne_foundation::{clock::Timestamp, id::WorkspaceId};

/// A row of `search_models`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "search_models")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    pub model_fingerprint: Vec<u8>,
    pub model_name: String,
    pub dimensions: i64,
    pub plugin_id: String,
    pub is_chosen: bool,
    pub since: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
