//! A second factor: the secret of an authenticator, sealed.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::AccountId};

/// A row of `second_factors`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "second_factors")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    pub secret_sealed: Vec<u8>,
    pub last_step: i64,
    pub created_at: Timestamp,
    pub active_since: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
