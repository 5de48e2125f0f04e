//! Backups that were made, and whether they are still there.

use sea_orm::entity::prelude::*;

use crate::{clock::Timestamp, id::BackupId};

/// A row of `backups`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backups")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BackupId,
    pub place: String,
    pub state: String,
    pub began_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub bytes: Option<i64>,
    pub stored_rows: Option<i64>,
    pub files: Option<i64>,
    pub ledger_entries: Option<i64>,
    pub failure: Option<String>,
    pub gone_at: Option<Timestamp>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
