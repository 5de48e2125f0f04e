//! The rows of a crawl: which page is next, what became of it, and what is not there any more.
//!
//! A page that a crawl has seen carries the crawl's number in `seen_in`, one that it is done with in `visited_in` too. So
//! the frontier is what was seen and not visited, and what is gone is what was not seen.

use std::collections::{HashMap, HashSet};

use consigne_foundation::{
    ErrorKind, Result,
    id::{PageId, SourceId},
    store::{Notice, Topic, WorkspaceTx},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use url::Url;

use super::{CrawlStage, SourceState, hold};
use crate::entity::{source_pages as table, sources};

/// URLs that one statement names.
const SOME: usize = 500;

/// One crawl of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    pub source: SourceId,
    pub number: i64,
}

/// What a page turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageStatus {
    /// Not visited yet.
    Waiting,
    /// A document was made of it.
    Taken,
    /// Read for its links alone.
    Read,
    /// It is somewhere else.
    Redirected,
    /// There is no such page.
    Gone,
    /// It may not be fetched or taken.
    Refused,
    /// It could not be fetched this time.
    Failed,
}

/// Pages that were found, and how far from the start.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    pub urls: Vec<Url>,
    pub depth: i64,
    /// Redirects in a row that led here.
    pub hops: i64,
    /// The page that leads here; none where the crawl begins.
    pub on: Option<PageId>,
}

/// Crawls in a row in which a page fails before its failing holds up what is unlinked elsewhere no more.
const PATIENCE: i64 = 3;

impl Round {
    /// Holds the source's row for this transaction. Says whether the crawl still goes on.
    pub(super) async fn hold(self, tx: &WorkspaceTx) -> Result<Option<sources::Model>> {
        let row = match hold(tx, self.source).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(self.goes_on(&row).then_some(row))
    }

    /// Whether the row says that this crawl goes on.
    pub(super) fn goes_on(self, row: &sources::Model) -> bool {
        row.crawl == self.number
            && row.state == SourceState::Active.name()
            && row.crawl_stage != CrawlStage::Done.name()
    }

    /// The page to visit next, the nearest to the start first.
    pub(super) async fn next(self, tx: &WorkspaceTx) -> Result<Option<table::Model>> {
        let waiting = self.seen(tx).filter(table::Column::VisitedIn.lt(self.number));
        let nearest = waiting.order_by_asc(table::Column::Depth).order_by_asc(table::Column::Id);
        Ok(nearest.one(tx.db()).await?)
    }

    /// Puts pages into the frontier that this crawl has not seen yet, as many as it may still see.
    pub(super) async fn discover(self, tx: &WorkspaceTx, found: &Discovery, max_pages: i64) -> Result<()> {
        let seen = i64::try_from(self.seen(tx).count(tx.db()).await?).unwrap_or(i64::MAX);
        let mut left = usize::try_from(max_pages - seen).unwrap_or(0);
        let mut named = HashSet::new();
        let urls: Vec<&str> = found.urls.iter().map(Url::as_str).filter(|url| named.insert(*url)).collect();
        for some in urls.chunks(SOME) {
            if left == 0 {
                break;
            }
            let seen: HashSet<String> = self
                .seen(tx)
                .filter(table::Column::Url.is_in(some.iter().copied()))
                .select_only()
                .column(table::Column::Url)
                .into_tuple()
                .all(tx.db())
                .await?
                .into_iter()
                .collect();
            let new = some.iter().filter(|url| !seen.contains(**url)).take(left);
            let rows: Vec<table::ActiveModel> = new.map(|url| self.row(tx, url, found)).collect();
            left -= rows.len();
            if rows.is_empty() {
                continue;
            }
            let again = OnConflict::columns([table::Column::WorkspaceId, table::Column::SourceId, table::Column::Url])
                .update_columns([
                    table::Column::SeenIn,
                    table::Column::Depth,
                    table::Column::Hops,
                    table::Column::FoundOn,
                ])
                .to_owned();
            table::Entity::insert_many(rows).on_conflict(again).exec_without_returning(tx.db()).await?;
        }
        Ok(())
    }

    fn row(self, tx: &WorkspaceTx, url: &str, found: &Discovery) -> table::ActiveModel {
        table::ActiveModel {
            workspace_id: Set(tx.workspace()),
            id: Set(PageId::new(tx.store().clock())),
            source_id: Set(self.source),
            url: Set(url.to_owned()),
            depth: Set(found.depth),
            hops: Set(found.hops),
            status: Set(PageStatus::Waiting.name().to_owned()),
            etag: Set(None),
            last_modified: Set(None),
            content_hash: Set(None),
            document_id: Set(None),
            seen_in: Set(self.number),
            visited_in: Set(0),
            failures: Set(0),
            found_on: Set(found.on),
        }
    }

    /// Writes what became of a page. Says whether it was still to be visited.
    pub(super) async fn settle(self, tx: &WorkspaceTx, page: table::Model) -> Result<bool> {
        let has_failed = page.status == PageStatus::Failed.name();
        let failures = if has_failed { page.failures.saturating_add(1) } else { 0 };
        let settled = table::Entity::update_many()
            .col_expr(table::Column::Status, Expr::value(page.status))
            .col_expr(table::Column::Etag, Expr::value(page.etag))
            .col_expr(table::Column::LastModified, Expr::value(page.last_modified))
            .col_expr(table::Column::ContentHash, Expr::value(page.content_hash))
            .col_expr(table::Column::DocumentId, Expr::value(page.document_id))
            .col_expr(table::Column::VisitedIn, Expr::value(self.number))
            .col_expr(table::Column::Failures, Expr::value(failures))
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::Id.eq(page.id))
            .filter(table::Column::VisitedIn.lt(self.number))
            .exec(tx.db())
            .await?;
        Ok(settled.rows_affected == 1)
    }

    /// Pages that this crawl has not seen and that go: nothing leads to them any more.
    ///
    /// A page that failed may lead anywhere; what it led to when it was last read is seen where its file is kept, and else is
    /// not. So nothing goes while a page has failed in fewer than [`PATIENCE`] crawls in a row. From then on what is unlinked
    /// goes, but for what was last found on a page that fails, or behind such a page: that stays until the page answers
    /// again, or is gone itself.
    pub(super) async fn unlinked(self, tx: &WorkspaceTx) -> Result<Vec<PageId>> {
        let failed = self.pages(tx).filter(table::Column::VisitedIn.eq(self.number));
        let failed: Vec<(PageId, i64)> = failed
            .filter(table::Column::Status.eq(PageStatus::Failed.name()))
            .select_only()
            .column(table::Column::Id)
            .column(table::Column::Failures)
            .into_tuple()
            .all(tx.db())
            .await?;
        if failed.iter().any(|(_, failures)| *failures < PATIENCE) {
            return Ok(Vec::new());
        }
        let failed: HashSet<PageId> = failed.into_iter().map(|(page, _)| page).collect();
        let unseen: HashMap<PageId, Option<PageId>> = self
            .pages(tx)
            .filter(table::Column::SeenIn.lt(self.number))
            .select_only()
            .column(table::Column::Id)
            .column(table::Column::FoundOn)
            .into_tuple::<(PageId, Option<PageId>)>()
            .all(tx.db())
            .await?
            .into_iter()
            .collect();
        Ok(unseen.keys().copied().filter(|page| !is_behind(*page, &unseen, &failed)).collect())
    }

    /// A page, if it is still there.
    pub(super) async fn page(self, tx: &WorkspaceTx, page: PageId) -> Result<Option<table::Model>> {
        Ok(table::Entity::find_by_id((tx.workspace(), page)).one(tx.db()).await?)
    }

    /// Forgets a page.
    pub(super) async fn forget(self, tx: &WorkspaceTx, page: PageId) -> Result<()> {
        table::Entity::delete_by_id((tx.workspace(), page)).exec(tx.db()).await?;
        Ok(())
    }

    /// Adds to these counts of the crawl, each named once, and tells the listeners. The row is held.
    pub(super) async fn tally(self, tx: &WorkspaceTx, counts: &[(sources::Column, i64)]) -> Result<()> {
        let mut update = self.update(tx);
        for &(column, more) in counts {
            update = update.col_expr(column, Expr::col(column).add(more));
        }
        update.exec(tx.db()).await?;
        Ok(())
    }

    /// Goes on to this stage, and tells the listeners. The row is held.
    pub(super) async fn enter(self, tx: &WorkspaceTx, stage: CrawlStage) -> Result<()> {
        self.update(tx).col_expr(sources::Column::CrawlStage, Expr::value(stage.name())).exec(tx.db()).await?;
        Ok(())
    }

    /// A change of the source's row that its listeners see.
    pub(super) fn update(self, tx: &WorkspaceTx) -> sea_orm::UpdateMany<sources::Entity> {
        tx.notify(Notice { topic: Topic::Source, id: self.source.0 });
        sources::Entity::update_many()
            .col_expr(sources::Column::ProgressSeq, Expr::col(sources::Column::ProgressSeq).add(1))
            .col_expr(sources::Column::UpdatedAt, Expr::value(tx.store().now()))
            .filter(sources::Column::WorkspaceId.eq(tx.workspace()))
            .filter(sources::Column::Id.eq(self.source))
    }

    fn seen(self, tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
        self.pages(tx).filter(table::Column::SeenIn.eq(self.number))
    }

    fn pages(self, tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
        table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::SourceId.eq(self.source))
    }
}

/// Whether the way on which an unseen page was last found comes by one that failed.
fn is_behind(page: PageId, unseen: &HashMap<PageId, Option<PageId>>, failed: &HashSet<PageId>) -> bool {
    let (mut at, mut been) = (page, HashSet::new());
    while been.insert(at) {
        match unseen.get(&at).copied().flatten() {
            Some(on) if failed.contains(&on) => return true,
            Some(on) => at = on,
            // Where the crawl begins, or on a page that was read and does not lead here any more.
            None => return false,
        }
    }
    false
}

impl PageStatus {
    /// The name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Taken => "TAKEN",
            Self::Read => "READ",
            Self::Redirected => "REDIRECTED",
            Self::Gone => "GONE",
            Self::Refused => "REFUSED",
            Self::Failed => "FAILED",
        }
    }
}
