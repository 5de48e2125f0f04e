//! Keys by which a customer's server says who a visitor is, sealed.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{VisitorSigningKeyId, WorkspaceId},
};

/// A row of `visitor_signing_keys`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "visitor_signing_keys")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VisitorSigningKeyId,
    pub name: String,
    pub algorithm: String,
    pub key_sealed: Vec<u8>,
    pub created_by: Option<Uuid>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_day: Option<i64>,
    pub revoked_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
