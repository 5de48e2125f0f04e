//! Assistants and their answer policy.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{AssistantId, WorkspaceId},
};

/// A row of `assistants`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "assistants")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssistantId,
    pub name: String,
    pub languages: String,
    pub instructions: String,
    pub chat_model: String,
    pub passages: i64,
    pub answer_threshold: Option<f64>,
    pub no_answer_text: Option<String>,
    pub offers_person: bool,
    pub is_paused: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub escalation: Option<String>,
    pub fallback_models: String,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
