//! Where a channel keeps an escalation.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{EscalationId, SubjectId, WorkspaceId};

/// A row of `channel_threads`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "channel_threads")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub escalation_id: EscalationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub plugin_id: String,
    pub subject_id: SubjectId,
    pub thread: String,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
