//! A sign-in and its rotating refresh token.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AccountId, SessionId, WorkspaceId},
};

/// A row of `sessions`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub account_id: AccountId,
    pub member_workspace_id: WorkspaceId,
    pub refresh_hash: Vec<u8>,
    pub previous_refresh_hash: Option<Vec<u8>>,
    pub rotated_at: Timestamp,
    pub generation: i64,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub revoked_because: Option<String>,
    pub stays_signed_in: bool,
    pub agent: Option<String>,
    pub name_sealed: Option<Vec<u8>>,
    pub confirmed_at: Option<Timestamp>,
    pub provider_issuer: Option<String>,
    pub provider_subject_index: Option<Vec<u8>>,
    pub provider_session_index: Option<Vec<u8>>,
    pub provider_amr: Option<String>,
    pub has_second_factor: bool,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
