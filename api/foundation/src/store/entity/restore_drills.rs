//! Drills: backups that were restored to see that they can be.

use sea_orm::entity::prelude::*;

use crate::{
    clock::Timestamp,
    id::{BackupId, DrillId},
};

/// A row of `restore_drills`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "restore_drills")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DrillId,
    pub backup_id: Option<BackupId>,
    pub began_at: Timestamp,
    pub finished_at: Timestamp,
    pub has_passed: bool,
    pub failure: Option<String>,
    pub report_jws: String,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
