//! Which account has which role in which workspace.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{AccountId, CustomRoleId, WorkspaceId},
};

/// A row of `memberships`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub member_workspace_id: WorkspaceId,
    pub role: String,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
    pub must_enrol_from: Option<Timestamp>,
    pub reviewed_at: Option<Timestamp>,
    pub review_asked_at: Option<Timestamp>,
    pub custom_role_id: Option<CustomRoleId>,
    pub permissions: Option<String>,
    pub provider_subject_index: Option<Vec<u8>>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
