//! Messages of a chat, sealed under the person's key.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{AccountId, ChatId, MessageId, SubjectId, WorkspaceId},
};

/// A row of `messages`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    pub chat_id: ChatId,
    pub subject_id: SubjectId,
    pub author: String,
    pub text_sealed: Vec<u8>,
    pub created_at: Timestamp,
    pub idempotency_key: Option<String>,
    pub account_id: Option<AccountId>,
    pub plugin_id: Option<String>,
    pub by_sealed: Option<Vec<u8>>,
    pub rectified_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
