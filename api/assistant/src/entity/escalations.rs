//! Escalations: chats that needed a person.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{AccountId, AssistantId, ChatId, EscalationId, SubjectId, WorkspaceId},
};

/// A row of `escalations`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "escalations")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EscalationId,
    pub chat_id: ChatId,
    pub assistant_id: AssistantId,
    pub subject_id: SubjectId,
    pub reason: String,
    pub state: String,
    pub is_off_hours: bool,
    pub reply_token: String,
    pub language: Option<String>,
    pub assigned_account_id: Option<AccountId>,
    pub taken_by_plugin: Option<String>,
    pub created_at: Timestamp,
    pub taken_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub active_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
