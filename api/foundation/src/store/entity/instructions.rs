//! What a workspace instructed and revoked, in order.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `instructions`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instructions")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub purpose: String,
    pub kind: String,
    pub reason: String,
    pub recorded_by_kind: String,
    pub recorded_by: Option<Uuid>,
    pub recorded_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
