//! Who got data about a person.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceId},
};

/// A row of `subject_recipients`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subject_recipients")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: SubjectId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub plugin_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: String,
    pub operator: String,
    pub region: String,
    pub safeguard: String,
    pub retention: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub times: i64,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
