//! What happened in a chat, in order; what a subscription replays.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{ChatId, SubjectId, WorkspaceId},
};

/// A row of `chat_events`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_events")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub chat_id: ChatId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub subject_id: SubjectId,
    pub kind: String,
    pub target_id: Option<Uuid>,
    pub payload_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
