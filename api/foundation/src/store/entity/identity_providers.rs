//! Where members of a workspace sign in, if not here.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AccountId, WorkspaceId},
};

/// A row of `identity_providers`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "identity_providers")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    pub issuer: String,
    pub client_id: String,
    pub client_secret_sealed: Option<Vec<u8>>,
    pub accepted_amr: String,
    pub accepted_acr: String,
    pub is_second_factor_required: bool,
    pub member_role: Option<String>,
    pub is_enabled: bool,
    pub is_required: bool,
    pub break_glass_account_id: Option<AccountId>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
