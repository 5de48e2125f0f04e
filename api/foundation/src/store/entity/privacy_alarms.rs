//! Alarms that were raised about requests.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{PrivacyRequestId, WorkspaceId},
};

/// A row of `privacy_alarms`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_alarms")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: PrivacyRequestId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    pub raised_at: Timestamp,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
