//! Addresses at which the public reaches a workspace about its data.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `privacy_addresses`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_addresses")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub address_workspace_id: WorkspaceId,
    pub created_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
