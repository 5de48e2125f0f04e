//! Where a workspace's texts may go, and what may be spent on them.

use sea_orm::entity::prelude::*;

use consigne_foundation::{clock::Timestamp, id::WorkspaceId};

/// A row of `processing_policies`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "processing_policies")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    pub transfers: String,
    pub monthly_tokens: Option<i64>,
    pub monthly_micros: Option<i64>,
    pub corrector: Option<String>,
    pub visitors_may_correct: bool,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
