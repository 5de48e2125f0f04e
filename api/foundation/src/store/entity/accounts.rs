//! A person who signs in.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::AccountId};

/// A row of `accounts`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    pub email_index: Vec<u8>,
    pub email_sealed: Vec<u8>,
    pub password_hash: String,
    pub created_at: Timestamp,
    pub deactivated_at: Option<Timestamp>,
    pub email_verified_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
