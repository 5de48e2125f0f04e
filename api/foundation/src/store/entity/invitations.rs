//! Invitations of people into a workspace.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AccountId, CustomRoleId, InvitationId, WorkspaceId},
};

/// A row of `invitations`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub address_index: Vec<u8>,
    pub address_sealed: Vec<u8>,
    pub role: String,
    pub token_hash: Option<Vec<u8>>,
    pub is_mailed: bool,
    pub invited_by: Option<Uuid>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub accepted_by: Option<AccountId>,
    pub revoked_at: Option<Timestamp>,
    pub custom_role_id: Option<CustomRoleId>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
