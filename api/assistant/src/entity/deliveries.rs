//! The outbox: what channels are told, sealed under the key of the person it is about until it is delivered.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{DeliveryId, EscalationId, SubjectId, WorkspaceId},
};

/// A row of `deliveries`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    pub escalation_id: Option<EscalationId>,
    pub subject_id: Option<SubjectId>,
    pub plugin_id: String,
    pub position: i64,
    pub kind: String,
    pub state: String,
    pub payload_sealed: Option<Vec<u8>>,
    pub attempts: i64,
    pub attempt_began_at: Option<Timestamp>,
    pub may_have_been_sent: bool,
    pub next_attempt_at: Timestamp,
    pub last_error: Option<String>,
    pub message: Option<String>,
    pub happened_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub has_text: bool,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
