//! Sources: where documents are fetched from, again and again. A website is one, crawled and kept in step.
//!
//! Reading order: [`Source`] and reading it; `settings` (what a customer decides), [`control`] (make, configure, start,
//! pause); [`quarantine`] (nothing of it is found); [`crawl`] (the job) and `visit` (one page), which stand on `frontier` (which page is next, and what became of
//! it), `take` (a page becomes a document), `site` (what belongs to a website), `links`, `robots`, `sitemap` and `polite`
//! (one request at a time, and a pause behind it); [`removal`] (a source goes with its documents), [`schedule`],
//! [`progress`].
//!
//! The rows are the truth: a crawl that is killed goes on with the pages that its number has not visited, and what a
//! crawl has not seen any more goes at its end.
//!
//! Invariants, as absences:
//! - Nothing here opens a connection: pages come from the plugin that fetches them, which guards every address.
//! - No page is fetched that robots.txt, the site's bounds or the customer's paths leave out.
//! - No page that did not change is sent again by a server that knows conditional requests, or embedded again by us.
//! - No document goes because a server was down: only because its page is gone, may not be taken,
//!   or is linked no more.

pub mod control;
pub mod crawl;
mod frontier;
mod links;
mod polite;
pub mod progress;
pub mod quarantine;
pub mod removal;
mod robots;
pub mod schedule;
mod settings;
mod site;
mod sitemap;
mod take;
mod visit;

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::SourceId,
    store::{Store, WorkspaceTx},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use url::Url;

pub use self::settings::WebsiteSettings;
use crate::entity::{documents, sources as table};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// Pages of a website.
    Website,
}

/// Where a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceState {
    /// Crawled when it is due, or when somebody says so.
    Active,
    /// Not crawled; its documents stay as they are, and answers still rest on them.
    Paused,
    /// Being deleted with its documents.
    Deleting,
}

/// What a crawl is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrawlStage {
    /// Reading robots.txt and the sitemap.
    Seeding,
    /// Fetching pages.
    Fetching,
    /// Taking away what is gone.
    Removing,
    /// Nothing any more.
    Done,
}

/// The crawl that runs, or ran last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawl {
    /// Counts from 1.
    pub number: i64,
    /// What it is doing.
    pub stage: CrawlStage,
    /// Began at.
    pub started_at: Timestamp,
    /// Ended at.
    pub finished_at: Option<Timestamp>,
    /// Pages that were sent whole.
    pub fetched: i64,
    /// Pages whose server said that they did not change.
    pub not_modified: i64,
    /// Documents that were replaced.
    pub changed: i64,
    /// Documents that are new.
    pub added: i64,
    /// Documents that went.
    pub removed: i64,
    /// Pages that may not be fetched or taken.
    pub refused: i64,
    /// Pages that could not be fetched this time.
    pub failed: i64,
    /// Why it ended early, as a code and a sentence.
    pub failure: Option<(String, String)>,
}

/// A source of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The source.
    pub id: SourceId,
    /// What it is.
    pub kind: SourceKind,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub state: SourceState,
    /// Since when none of its passages is found or cited; `None` where they are.
    pub quarantined_at: Option<Timestamp>,
    /// Where the crawl begins.
    pub start_url: Option<Url>,
    /// The sitemap that lists where it begins.
    pub sitemap_url: Option<Url>,
    /// Paths that become documents; none for all.
    pub include: Vec<String>,
    /// Paths that are not even visited.
    pub exclude: Vec<String>,
    /// Tags of its documents.
    pub tags: Vec<String>,
    /// Links between the start and a page, at the most.
    pub max_depth: i64,
    /// Pages of one crawl, at the most.
    pub max_pages: i64,
    /// Pause between two requests, in milliseconds.
    pub delay_millis: i64,
    /// Hours between two crawls; none where somebody has to say so.
    pub every_hours: Option<i64>,
    /// When it is crawled next by itself.
    pub next_crawl_at: Option<Timestamp>,
    /// The crawl that runs, or ran last.
    pub crawl: Option<Crawl>,
    /// Counts changes of this row; a listener resumes behind it.
    pub progress_seq: i64,
    /// Made at.
    pub created_at: Timestamp,
    /// Changed at.
    pub updated_at: Timestamp,
}

/// A source of the workspace.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: SourceId) -> Result<Source> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    Ok(find(&tx, id).await?.into())
}

/// Sources of the workspace, newest first, behind `after`, at most `limit`.
///
/// # Errors
/// `Forbidden`.
pub async fn list(scope: &Scope, store: &Store, after: Option<SourceId>, limit: u64) -> Result<Vec<Source>> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    let mut query = of_workspace(&tx).order_by_desc(table::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    Ok(query.all(tx.db()).await?.into_iter().map(Source::from).collect())
}

/// How many sources [`list`] would go through.
///
/// # Errors
/// `Forbidden`.
pub async fn count(scope: &Scope, store: &Store) -> Result<u64> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    Ok(of_workspace(&tx).count(tx.db()).await?)
}

/// How many documents came from a source and are still there.
///
/// # Errors
/// `Forbidden`.
pub async fn count_documents(scope: &Scope, store: &Store, id: SourceId) -> Result<u64> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    let documents = documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(tx.workspace()))
        .filter(documents::Column::SourceId.eq(id.0));
    Ok(documents.count(tx.db()).await?)
}

fn of_workspace(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace()))
}

async fn find(tx: &WorkspaceTx, id: SourceId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("source"))
}

/// As [`find`], to be written back: on Postgres no other writer comes between.
async fn hold(tx: &WorkspaceTx, id: SourceId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).lock_exclusive().one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("source"))
}

impl SourceState {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
            Self::Deleting => "DELETING",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "PAUSED" => Self::Paused,
            "DELETING" => Self::Deleting,
            _ => Self::Active,
        }
    }
}

impl SourceKind {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Website => "WEBSITE",
        }
    }
}

impl CrawlStage {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seeding => "SEEDING",
            Self::Fetching => "FETCHING",
            Self::Removing => "REMOVING",
            Self::Done => "DONE",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "SEEDING" => Self::Seeding,
            "FETCHING" => Self::Fetching,
            "REMOVING" => Self::Removing,
            _ => Self::Done,
        }
    }
}

impl From<table::Model> for Source {
    fn from(row: table::Model) -> Self {
        let crawl = row.crawl_started_at.map(|started_at| Crawl {
            number: row.crawl,
            stage: CrawlStage::parse(&row.crawl_stage),
            started_at,
            finished_at: row.crawl_finished_at,
            fetched: row.fetched,
            not_modified: row.not_modified,
            changed: row.changed,
            added: row.added,
            removed: row.removed,
            refused: row.refused,
            failed: row.failed,
            failure: row.failure_code.zip(row.failure_message),
        });
        let url = |text: Option<String>| text.and_then(|text| Url::parse(&text).ok());
        Self {
            id: row.id,
            kind: SourceKind::Website,
            name: row.name,
            state: SourceState::parse(&row.state),
            quarantined_at: row.quarantined_at,
            start_url: url(row.start_url),
            sitemap_url: url(row.sitemap_url),
            include: split(&row.include_paths, '\n'),
            exclude: split(&row.exclude_paths, '\n'),
            tags: split(&row.tags, '\n'),
            max_depth: row.max_depth,
            max_pages: row.max_pages,
            delay_millis: row.delay_millis,
            every_hours: row.every_hours,
            next_crawl_at: row.next_crawl_at,
            crawl,
            progress_seq: row.progress_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn split(text: &str, at: char) -> Vec<String> {
    text.split(at).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
