//! Who visitors are, as the customer's server said; sealed under the person's key.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceId},
};

/// A row of `visitor_identities`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "visitor_identities")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: SubjectId,
    pub external_index: Vec<u8>,
    pub external_sealed: Vec<u8>,
    pub email_sealed: Option<Vec<u8>>,
    pub name_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
