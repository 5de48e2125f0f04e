//! Sources that documents are fetched from.

use sea_orm::entity::prelude::*;

use consigne_foundation::{
    clock::Timestamp,
    id::{SourceId, WorkspaceId},
};

/// A row of `sources`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sources")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SourceId,
    pub kind: String,
    pub name: String,
    pub state: String,
    pub start_url: Option<String>,
    pub sitemap_url: Option<String>,
    pub include_paths: String,
    pub exclude_paths: String,
    pub tags: String,
    pub max_depth: i64,
    pub max_pages: i64,
    pub delay_millis: i64,
    pub every_hours: Option<i64>,
    pub next_crawl_at: Option<Timestamp>,
    pub crawl: i64,
    pub crawl_stage: String,
    pub crawl_started_at: Option<Timestamp>,
    pub crawl_finished_at: Option<Timestamp>,
    pub fetched: i64,
    pub not_modified: i64,
    pub changed: i64,
    pub added: i64,
    pub removed: i64,
    pub refused: i64,
    pub failed: i64,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub progress_seq: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub quarantined_at: Option<Timestamp>,
    pub idempotency_key: Option<String>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
