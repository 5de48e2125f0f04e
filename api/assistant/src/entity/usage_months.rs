//! What models used in a month, against the budget.

use sea_orm::entity::prelude::*;

use consigne_foundation::{clock::Timestamp, id::WorkspaceId};

/// A row of `usage_months`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_months")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: i64,
    pub tokens: i64,
    pub micros: i64,
    pub warned_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
