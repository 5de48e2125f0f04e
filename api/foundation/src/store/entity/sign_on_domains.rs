//! Domains of mail addresses that a workspace says are its own, and those that are.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `sign_on_domains`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_on_domains")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub domain_workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub domain: String,
    pub proof: String,
    pub created_at: Timestamp,
    pub verified_at: Option<Timestamp>,
    pub missing_since: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
