//! Other parties that the operator hands data of all workspaces to, as each was declared, and since when that is announced.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;

/// A row of `recipient_changes`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "recipient_changes")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub plugin_id: String,
    pub declaration: String,
    pub declaration_hash: Vec<u8>,
    pub announced_at: Timestamp,
    pub is_from_the_start: bool,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
