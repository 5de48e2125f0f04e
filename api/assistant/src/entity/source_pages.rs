//! Pages of a website, as the last crawl left them.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{DocumentId, PageId, SourceId, WorkspaceId};

/// A row of `source_pages`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "source_pages")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PageId,
    pub source_id: SourceId,
    pub url: String,
    pub depth: i64,
    pub hops: i64,
    pub status: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub content_hash: Option<Vec<u8>>,
    pub document_id: Option<DocumentId>,
    pub seen_in: i64,
    pub visited_in: i64,
    pub failures: i64,
    pub found_on: Option<PageId>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
