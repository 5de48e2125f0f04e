//! Who answers for a workspace's data, as the public is told.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `privacy_settings`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_settings")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    pub controller_name: Option<String>,
    pub controller_address: Option<String>,
    pub controller_email: Option<String>,
    pub dpo_name: Option<String>,
    pub dpo_email: Option<String>,
    pub authority_name: Option<String>,
    pub authority_url: Option<String>,
    pub notice_url: Option<String>,
    pub holidays: String,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
