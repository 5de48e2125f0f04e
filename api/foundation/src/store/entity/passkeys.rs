//! Passkeys: what members sign in with in place of a password and a second factor.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AccountId, PasskeyId},
};

/// A row of `passkeys`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "passkeys")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PasskeyId,
    pub account_id: AccountId,
    pub credential_index: Vec<u8>,
    pub credential_sealed: Vec<u8>,
    pub name_sealed: Option<Vec<u8>>,
    pub sign_count: i64,
    pub is_backed_up: bool,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
