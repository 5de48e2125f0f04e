//! Texts that people are asked to consent to.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{clock::Timestamp, id::WorkspaceId};

/// A row of `consent_texts`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consent_texts")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub language: String,
    pub text: String,
    pub text_hash: Vec<u8>,
    pub published_by: Option<Uuid>,
    pub published_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
