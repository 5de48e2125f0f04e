//! Mails that became requests about personal data, by keyed hashes of their ids.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{PrivacyRequestId, WorkspaceId},
};

/// A row of `privacy_letters`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_letters")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub letter_hash: Vec<u8>,
    pub request_id: PrivacyRequestId,
    pub received_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
