//! Roles of a workspace's own.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{CustomRoleId, WorkspaceId},
};

/// A row of `custom_roles`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "custom_roles")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CustomRoleId,
    pub name: String,
    pub role: String,
    pub permissions: String,
    pub created_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
