//! Which plugins a workspace has enabled, with sealed settings.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `plugin_settings`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plugin_settings")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub plugin_id: String,
    pub is_enabled: bool,
    pub settings_sealed: Vec<u8>,
    pub version: i64,
    pub enabled_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
