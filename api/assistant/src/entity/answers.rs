//! Answers, sealed under the person's key.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{AnswerId, AssistantId, ChatId, MessageId, SubjectId, WorkspaceId},
};

/// A row of `answers`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "answers")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AnswerId,
    pub chat_id: ChatId,
    pub question_id: MessageId,
    pub assistant_id: AssistantId,
    pub subject_id: SubjectId,
    pub subject_generation: i64,
    pub idempotency_key: String,
    pub status: String,
    pub outcome: Option<String>,
    pub text_sealed: Option<Vec<u8>>,
    pub failure_code: Option<String>,
    pub disclosure: Option<String>,
    pub attempts: i64,
    pub rating: Option<String>,
    pub created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub rectified_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
