//! Why secrets or special categories may be processed.

use sea_orm::entity::prelude::*;

use consigne_foundation::{clock::Timestamp, id::WorkspaceId};

/// A row of `correction_grounds`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "correction_grounds")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub concern: String,
    pub ground: String,
    pub recorded_by: Option<Uuid>,
    pub recorded_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
