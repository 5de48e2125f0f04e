//! Logout tokens that were taken, so that none is taken twice.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;

/// A row of `logout_tokens`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "logout_tokens")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_index: Vec<u8>,
    pub expires_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
