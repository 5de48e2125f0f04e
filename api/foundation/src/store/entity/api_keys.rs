//! API keys; the secret as a hash.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{ApiKeyId, AssistantId, WorkspaceId},
};

/// A row of `api_keys`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    pub kind: String,
    pub name: String,
    pub secret_hash: Vec<u8>,
    pub permissions: String,
    pub assistant_id: Option<AssistantId>,
    pub origins: String,
    pub created_by: Option<Uuid>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_day: Option<i64>,
    pub revoked_at: Option<Timestamp>,
    pub replaced_by: Option<ApiKeyId>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
