//! What a customer does with a source: make it, configure it, crawl it now, pause it, let it go on.

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope,
    audit::{self, Event},
    id::SourceId,
    jobs,
    privacy::{Purpose, admission},
    store::WorkspaceTx,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr,
};
use url::Url;

use super::{
    CrawlStage, Source, SourceKind, SourceState, WebsiteSettings, crawl, find, frontier::Round, hold, of_workspace,
    settings,
};
use crate::{entity::sources as table, knowledge::Knowledge};

/// Sources that one workspace may have.
const MOST_SOURCES: u64 = 100;

/// What holds until somebody decides otherwise.
const MAX_DEPTH: i64 = 5;
const MAX_PAGES: i64 = 1_000;
const DELAY_MILLIS: i64 = 1_000;
const EVERY_HOURS: i64 = 24;

/// Makes a website a source, and begins its first crawl. The same key again answers with the source that it made first.
///
/// # Errors
/// `Forbidden`; `Invalid` key or settings, also a URL that may not be fetched; `LimitExceeded`; `Disabled` where the workspace has
/// switched the fetching off.
pub async fn create_website(
    scope: &Scope,
    knowledge: &Knowledge,
    wanted: WebsiteSettings,
    idempotency_key: &str,
) -> Result<Source> {
    scope.require(Permission::KnowledgeWrite)?;
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    match create_once(scope, knowledge, wanted, idempotency_key).await {
        // Two calls at the same time: the other one made it.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let tx = knowledge.store.read(scope).await?;
            find_by_key(&tx, idempotency_key).await?.map(Source::from).ok_or(error)
        }
        made => made,
    }
}

async fn find_by_key(tx: &WorkspaceTx, idempotency_key: &str) -> Result<Option<table::Model>> {
    Ok(of_workspace(tx).filter(table::Column::IdempotencyKey.eq(idempotency_key)).one(tx.db()).await?)
}

async fn create_once(
    scope: &Scope,
    knowledge: &Knowledge,
    wanted: WebsiteSettings,
    idempotency_key: &str,
) -> Result<Source> {
    let store = &knowledge.store;
    let made = {
        let tx = store.read(scope).await?;
        find_by_key(&tx, idempotency_key).await?
    };
    if let Some(made) = made {
        return Ok(made.into());
    }
    let fetcher = knowledge.registry.page_fetcher(scope, store).await?;
    let now = store.now();
    let mut source = Source {
        id: SourceId::new(store.clock()),
        kind: SourceKind::Website,
        name: String::new(),
        state: SourceState::Active,
        quarantined_at: None,
        start_url: None,
        sitemap_url: None,
        include: Vec::new(),
        exclude: Vec::new(),
        tags: Vec::new(),
        max_depth: MAX_DEPTH,
        max_pages: MAX_PAGES,
        delay_millis: DELAY_MILLIS,
        every_hours: Some(EVERY_HOURS),
        next_crawl_at: None,
        crawl: None,
        progress_seq: 1,
        created_at: now,
        updated_at: now,
    };
    wanted.apply(&mut source, fetcher.as_ref())?;
    let tx = store.write(scope).await?;
    if of_workspace(&tx).count(tx.db()).await? >= MOST_SOURCES {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("A workspace may have {MOST_SOURCES} sources.")));
    }
    table::Entity::insert(row_of(&tx, &source, idempotency_key)).exec_without_returning(tx.db()).await?;
    begin(&tx, source.id).await?;
    let made = find(&tx, source.id).await?;
    audit::append(scope, &tx, Event::new("source.created").target("source", source.id.0)).await?;
    tx.commit().await?;
    Ok(made.into())
}

/// Changes a source. It holds from the next page of a crawl that goes on, but for its documents' tags, which those get
/// that are taken from now on.
///
/// # Errors
/// `Forbidden`, `NotFound`, `Invalid`, `Disabled`.
pub async fn configure(scope: &Scope, knowledge: &Knowledge, id: SourceId, wanted: WebsiteSettings) -> Result<Source> {
    scope.require(Permission::KnowledgeWrite)?;
    let store = &knowledge.store;
    let fetcher = knowledge.registry.page_fetcher(scope, store).await?;
    let tx = store.write(scope).await?;
    let mut source: Source = hold_usable(&tx, id).await?.into();
    let schedule = source.every_hours;
    wanted.apply(&mut source, fetcher.as_ref())?;
    if source.every_hours != schedule {
        source.next_crawl_at = settings::next_crawl(source.every_hours, store.now());
    }
    settings_of(&tx, &source).update(tx.db()).await?;
    changed(&tx, id).await?;
    let configured = find(&tx, id).await?;
    audit::append(scope, &tx, Event::new("source.configured").target("source", id.0)).await?;
    tx.commit().await?;
    Ok(configured.into())
}

/// Begins a crawl now. Where one goes on already, it goes on.
///
/// # Errors
/// `Forbidden`, `NotFound`, `PurposeRefused`; `Conflict` where the source is paused.
pub async fn crawl_now(scope: &Scope, knowledge: &Knowledge, id: SourceId) -> Result<Source> {
    scope.require(Permission::KnowledgeWrite)?;
    admission::admit(scope, &knowledge.store, Purpose::KnowledgeIndexing, None).await?;
    let tx = knowledge.store.write(scope).await?;
    let row = hold_usable(&tx, id).await?;
    if row.state == SourceState::Paused.name() {
        return Err(Error::new(ErrorKind::Conflict, "The source is paused. Resume it first."));
    }
    let has_begun = begin(&tx, id).await?;
    let source = find(&tx, id).await?;
    if has_begun {
        audit::append(scope, &tx, Event::new("source.crawl_started").target("source", id.0)).await?;
    }
    tx.commit().await?;
    Ok(source.into())
}

/// Pauses a source: a crawl that goes on stops at its next page, and none begins. Or lets it go on where it stopped.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn set_paused(scope: &Scope, knowledge: &Knowledge, id: SourceId, paused: bool) -> Result<Source> {
    scope.require(Permission::KnowledgeWrite)?;
    let tx = knowledge.store.write(scope).await?;
    hold_usable(&tx, id).await?;
    let state = if paused { SourceState::Paused } else { SourceState::Active };
    table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(state.name()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    changed(&tx, id).await?;
    let row = find(&tx, id).await?;
    if !paused && row.crawl_stage != CrawlStage::Done.name() {
        jobs::enqueue(&tx, crawl::job(id)).await?;
    }
    let action = if paused { "source.paused" } else { "source.resumed" };
    audit::append(scope, &tx, Event::new(action).target("source", id.0)).await?;
    tx.commit().await?;
    Ok(row.into())
}

/// Begins the next crawl of an active source where none goes on, with its job. Says whether it did.
pub(super) async fn begin(tx: &WorkspaceTx, id: SourceId) -> Result<bool> {
    let nothing = || Expr::value(0);
    let now = tx.store().now();
    let begun = Round { source: id, number: 0 }
        .update(tx)
        .col_expr(table::Column::Crawl, sea_orm::ExprTrait::add(Expr::col(table::Column::Crawl), 1))
        .col_expr(table::Column::CrawlStage, Expr::value(CrawlStage::Seeding.name()))
        .col_expr(table::Column::CrawlStartedAt, Expr::value(now))
        .col_expr(table::Column::CrawlFinishedAt, Expr::value(Option::<i64>::None))
        .col_expr(table::Column::Fetched, nothing())
        .col_expr(table::Column::NotModified, nothing())
        .col_expr(table::Column::Changed, nothing())
        .col_expr(table::Column::Added, nothing())
        .col_expr(table::Column::Removed, nothing())
        .col_expr(table::Column::Refused, nothing())
        .col_expr(table::Column::Failed, nothing())
        .col_expr(table::Column::FailureCode, Expr::value(Option::<String>::None))
        .col_expr(table::Column::FailureMessage, Expr::value(Option::<String>::None))
        .filter(table::Column::State.eq(SourceState::Active.name()))
        .filter(table::Column::CrawlStage.eq(CrawlStage::Done.name()))
        .exec(tx.db())
        .await?;
    if begun.rows_affected == 0 {
        return Ok(false);
    }
    jobs::enqueue(tx, crawl::job(id)).await?;
    Ok(true)
}

/// A source that is not going.
pub(super) async fn hold_usable(tx: &WorkspaceTx, id: SourceId) -> Result<table::Model> {
    let row = hold(tx, id).await?;
    if row.state == SourceState::Deleting.name() { Err(Error::not_found("source")) } else { Ok(row) }
}

/// Tells the listeners.
async fn changed(tx: &WorkspaceTx, id: SourceId) -> Result<()> {
    Round { source: id, number: 0 }.update(tx).exec(tx.db()).await?;
    Ok(())
}

/// What a customer decides, as columns; the rest of the row is the crawl's.
fn settings_of(tx: &WorkspaceTx, source: &Source) -> table::ActiveModel {
    let text = |url: &Option<Url>| url.as_ref().map(Url::to_string);
    table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(source.id),
        name: Set(source.name.clone()),
        start_url: Set(text(&source.start_url)),
        sitemap_url: Set(text(&source.sitemap_url)),
        include_paths: Set(source.include.join("\n")),
        exclude_paths: Set(source.exclude.join("\n")),
        tags: Set(source.tags.join("\n")),
        max_depth: Set(source.max_depth),
        max_pages: Set(source.max_pages),
        delay_millis: Set(source.delay_millis),
        every_hours: Set(source.every_hours),
        next_crawl_at: Set(source.next_crawl_at),
        ..Default::default()
    }
}

/// A new row, not crawled yet.
fn row_of(tx: &WorkspaceTx, source: &Source, idempotency_key: &str) -> table::ActiveModel {
    table::ActiveModel {
        kind: Set(source.kind.name().to_owned()),
        quarantined_at: Set(None),
        idempotency_key: Set(Some(idempotency_key.to_owned())),
        state: Set(source.state.name().to_owned()),
        crawl: Set(0),
        crawl_stage: Set(CrawlStage::Done.name().to_owned()),
        crawl_started_at: Set(None),
        crawl_finished_at: Set(None),
        fetched: Set(0),
        not_modified: Set(0),
        changed: Set(0),
        added: Set(0),
        removed: Set(0),
        refused: Set(0),
        failed: Set(0),
        failure_code: Set(None),
        failure_message: Set(None),
        progress_seq: Set(source.progress_seq),
        created_at: Set(source.created_at),
        updated_at: Set(source.updated_at),
        ..settings_of(tx, source)
    }
}
