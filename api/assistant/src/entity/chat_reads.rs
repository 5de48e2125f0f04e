//! Up to where a member read a chat.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{AccountId, ChatId, MessageId, SubjectId, WorkspaceId};

/// A row of `chat_reads`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_reads")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub chat_id: ChatId,
    pub subject_id: SubjectId,
    pub message_id: MessageId,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
