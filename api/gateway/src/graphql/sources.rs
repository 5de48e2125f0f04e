//! Where documents are fetched from, again and again.

use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject, Subscription,
};
use consigne_assistant::knowledge::{
    Knowledge,
    sources::{
        self, WebsiteSettings, control, progress,
        quarantine::{self, Quarantine},
        removal,
    },
};
use consigne_foundation::{Permission, id::SourceId};
use futures::{Stream, StreamExt};

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// What a source is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sources::SourceKind")]
pub enum SourceKind {
    /// Pages of a website.
    Website,
}

/// Where a source stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sources::SourceState")]
pub enum SourceState {
    /// Crawled when it is due, or when somebody says so.
    Active,
    /// Not crawled; its documents stay as they are, and answers still rest on them.
    Paused,
    /// Being deleted with its documents.
    Deleting,
}

/// What a crawl is doing.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sources::CrawlStage")]
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

/// Why a crawl ended early. What it had not seen until then stayed as it was.
#[derive(SimpleObject, Clone)]
pub struct CrawlFailure {
    /// For a program, in capitals, such as `SITE_UNAVAILABLE`.
    pub code: String,
    /// For a person: what is wrong and what to do.
    pub message: String,
}

/// One crawl of a source, with what it did so far.
#[derive(SimpleObject, Clone)]
pub struct Crawl {
    /// Counts from 1.
    pub number: i32,
    /// What it is doing.
    pub stage: CrawlStage,
    /// Began at.
    pub started_at: DateTime,
    /// Ended at; null while it goes on.
    pub finished_at: Option<DateTime>,
    /// Pages that were sent whole.
    pub fetched: i32,
    /// Pages whose server said that they did not change, and sent nothing else.
    pub not_modified: i32,
    /// Documents that were replaced.
    pub changed: i32,
    /// Documents that are new.
    pub added: i32,
    /// Documents that went, because their page is gone, not linked any more, or not to be taken.
    pub removed: i32,
    /// Pages that may not be fetched or taken: by robots.txt, by their address, by their size.
    pub refused: i32,
    /// Pages that could not be fetched this time; their documents stay.
    pub failed: i32,
    /// Why it ended early.
    pub failure: Option<CrawlFailure>,
}

/// A source of documents.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Source {
    /// Its id.
    pub id: ID,
    /// What it is.
    pub kind: SourceKind,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub state: SourceState,
    /// Since when it is in quarantine, so that nothing of it is found or cited; null where it is not.
    pub quarantined_at: Option<DateTime>,
    /// Where its crawls begin.
    pub start_url: Option<String>,
    /// The sitemap that lists where its crawls begin.
    pub sitemap_url: Option<String>,
    /// Paths whose pages become documents, such as `/docs/**`; all where there are none.
    pub include: Vec<String>,
    /// Paths that are not even visited.
    pub exclude: Vec<String>,
    /// Tags that its documents are given.
    pub tags: Vec<String>,
    /// Links between the start and a page, at the most.
    pub max_depth: i32,
    /// Pages of one crawl, at the most.
    pub max_pages: i32,
    /// Pause between two requests; a longer one that robots.txt asks for holds instead.
    pub delay_milliseconds: i32,
    /// Hours between two crawls; null where it is crawled only when somebody says so.
    pub every_hours: Option<i32>,
    /// When it is crawled next by itself.
    pub next_crawl_at: Option<DateTime>,
    /// The crawl that goes on, or was the last.
    pub crawl: Option<Crawl>,
    /// Counts changes; pass it as `after` to `sourceProgress` to resume.
    pub progress: i32,
    /// Made at.
    pub created_at: DateTime,
    /// Changed at.
    pub updated_at: DateTime,
    #[graphql(skip)]
    row: SourceId,
}

#[ComplexObject]
impl Source {
    /// Documents that came from it and are still there.
    async fn document_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let count = sources::count_documents(&scope, ctx.store(), self.row).await.map_err(refuse)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

connection! {
    /// Sources, newest first.
    SourceConnection, SourceEdge, Source, |source| source.id.to_string()
}

/// A website that becomes a source. A start page, a sitemap, or both.
#[derive(InputObject)]
pub struct CreateWebsiteSourceInput {
    /// What people call it.
    #[graphql(secret)]
    pub name: String,
    /// Where crawls begin: a page on the public internet, over https.
    #[graphql(secret)]
    pub start_url: Option<String>,
    /// A sitemap that lists where crawls begin, in XML or one URL a line, packed or not.
    #[graphql(secret)]
    pub sitemap_url: Option<String>,
    /// Paths whose pages become documents; `*` stays within a segment, `**` does not. All where there are none.
    #[graphql(secret, default)]
    pub include: Vec<String>,
    /// Paths that are not even visited.
    #[graphql(secret, default)]
    pub exclude: Vec<String>,
    /// Tags for its documents.
    #[graphql(secret, default)]
    pub tags: Vec<String>,
    /// Links between the start and a page, at the most 20; 5 where left out.
    pub max_depth: Option<i32>,
    /// Pages of one crawl, at the most 10,000; 1,000 where left out.
    pub max_pages: Option<i32>,
    /// Pause between two requests, at the most 60,000; 1,000 where left out.
    pub delay_milliseconds: Option<i32>,
    /// Hours between two crawls; 24 where left out, none where null.
    pub every_hours: MaybeUndefined<i32>,
    /// Made by the client. The same key again makes nothing and answers with the source that it made.
    pub idempotency_key: String,
}

/// What to change about a source; what is left out stays as it is.
#[derive(InputObject)]
pub struct ConfigureSourceInput {
    /// The source.
    pub source_id: ID,
    /// What people call it.
    #[graphql(secret)]
    pub name: Option<String>,
    /// Where crawls begin; null takes it away.
    #[graphql(secret)]
    pub start_url: MaybeUndefined<String>,
    /// The sitemap; null takes it away.
    #[graphql(secret)]
    pub sitemap_url: MaybeUndefined<String>,
    /// Paths whose pages become documents.
    #[graphql(secret)]
    pub include: Option<Vec<String>>,
    /// Paths that are not even visited.
    #[graphql(secret)]
    pub exclude: Option<Vec<String>>,
    /// Tags for the documents that are taken from now on.
    #[graphql(secret)]
    pub tags: Option<Vec<String>>,
    /// Links between the start and a page, at the most.
    pub max_depth: Option<i32>,
    /// Pages of one crawl, at the most.
    pub max_pages: Option<i32>,
    /// Pause between two requests.
    pub delay_milliseconds: Option<i32>,
    /// Hours between two crawls; null crawls only when somebody says so.
    pub every_hours: MaybeUndefined<i32>,
}

/// Which source.
#[derive(InputObject)]
pub struct SourceInput {
    /// The source.
    pub source_id: ID,
}

/// The source, or why nothing was done.
#[derive(SimpleObject)]
pub struct SourcePayload {
    /// The source.
    pub source: Option<Source>,
    /// Why nothing was done.
    pub user_errors: Vec<UserError>,
}

/// What goes with a source, or why it stays.
#[derive(SimpleObject)]
pub struct DeleteSourcePayload {
    /// The source, on its way out: it is gone when the files and vectors of its documents are.
    pub source: Option<Source>,
    /// Documents that cannot be found any more.
    pub documents_deleted: i32,
    /// Passages that went with them.
    pub passages_deleted: i32,
    /// Why it stays.
    pub user_errors: Vec<UserError>,
}

/// Reading sources.
#[derive(Default)]
pub struct SourceQuery;

#[Object]
impl SourceQuery {
    /// A source; null where it is unknown.
    async fn source(&self, ctx: &Context<'_>, #[graphql(desc = "The source.")] id: ID) -> Result<Option<Source>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let found = sources::get(&scope, ctx.store(), SourceId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Source::from))
    }

    /// Sources of the workspace, newest first.
    async fn sources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<SourceConnection> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let page = Page::of(first)?;
        let after = after.as_deref().map(SourceId::parse_or_unknown);
        let rows = sources::list(&scope, ctx.store(), after, page.limit()).await.map_err(refuse)?;
        let total = sources::count(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(SourceConnection::new(&page, rows.into_iter().map(Source::from).collect(), total))
    }
}

/// Changing sources.
#[derive(Default)]
pub struct SourceMutation;

#[Object]
impl SourceMutation {
    /// Makes a website a source and begins its first crawl. Its progress arrives through `sourceProgress`.
    async fn create_website_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateWebsiteSourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let key = input.idempotency_key.clone();
        SourcePayload::of(control::create_website(&scope, &ctx.services().knowledge, input.into(), &key).await)
    }

    /// Changes a source. It holds from the next page of a crawl that goes on.
    async fn configure_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigureSourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(control::configure(&scope, &ctx.services().knowledge, id, input.into()).await)
    }

    /// Begins a crawl now; where one goes on already, it goes on. Only what changed is embedded, and what is gone goes.
    async fn crawl_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(control::crawl_now(&scope, &ctx.services().knowledge, id).await)
    }

    /// Pauses a source: its crawl stops at the next page, and none begins. Its documents can still be found; to keep them out
    /// of answers, use `quarantineSource`.
    async fn pause_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(control::set_paused(&scope, &ctx.services().knowledge, id, true).await)
    }

    /// Lets a paused source go on where it stopped.
    async fn resume_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(control::set_paused(&scope, &ctx.services().knowledge, id, false).await)
    }

    /// Puts a source into quarantine: from the next search on nothing of it is found, answers under way cite nothing of it, and
    /// earlier citations of it show as withdrawn. Nothing is deleted, and it is crawled as before; `pauseSource` stops that.
    async fn quarantine_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(quarantine::set(&scope, &ctx.services().knowledge, id, Quarantine::Begins).await)
    }

    /// Releases a source from quarantine: it is found and cited again.
    async fn release_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<SourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        SourcePayload::of(quarantine::set(&scope, &ctx.services().knowledge, id, Quarantine::Ends).await)
    }

    /// Deletes a source with its documents. None of them can be found any more when this answers; their files and vectors
    /// are gone when the source is.
    async fn delete_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SourceInput,
    ) -> Result<DeleteSourcePayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = SourceId::parse_or_unknown(&input.source_id);
        let (gone, user_errors) = split(removal::delete(&scope, &ctx.services().knowledge, id).await)?;
        let number = |count: Option<u64>| i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX);
        Ok(DeleteSourcePayload {
            documents_deleted: number(gone.as_ref().map(|gone| gone.documents)),
            passages_deleted: number(gone.as_ref().map(|gone| gone.passages)),
            source: gone.map(|gone| Source::from(gone.source)),
            user_errors,
        })
    }
}

/// Listening to sources.
#[derive(Default)]
pub struct SourceSubscription;

#[Subscription]
impl SourceSubscription {
    /// Listens to a source until its crawl ends, or it is gone. Begins with its present state; `after` skips changes seen.
    async fn source_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source.")] source_id: ID,
        #[graphql(desc = "The last `progress` seen.")] after: Option<i32>,
    ) -> Result<impl Stream<Item = Result<Source>> + use<>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let id = SourceId::parse_or_unknown(&source_id);
        let knowledge: Knowledge = ctx.services().knowledge.clone();
        let progress = progress::listen(scope, knowledge, id, after.map(i64::from));
        Ok(progress.map(|item| item.map(Source::from).map_err(refuse)))
    }
}

impl SourcePayload {
    fn of(result: consigne_foundation::Result<sources::Source>) -> Result<Self> {
        let (source, user_errors) = split(result)?;
        Ok(Self { source: source.map(Source::from), user_errors })
    }
}

/// Left out, taken away, or given.
fn given<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

impl From<CreateWebsiteSourceInput> for WebsiteSettings {
    fn from(input: CreateWebsiteSourceInput) -> Self {
        Self {
            name: Some(input.name),
            start_url: Some(input.start_url),
            sitemap_url: Some(input.sitemap_url),
            include: Some(input.include),
            exclude: Some(input.exclude),
            tags: Some(input.tags),
            max_depth: input.max_depth.map(i64::from),
            max_pages: input.max_pages.map(i64::from),
            delay_millis: input.delay_milliseconds.map(i64::from),
            every_hours: given(input.every_hours).map(|hours| hours.map(i64::from)),
        }
    }
}

impl From<ConfigureSourceInput> for WebsiteSettings {
    fn from(input: ConfigureSourceInput) -> Self {
        Self {
            name: input.name,
            start_url: given(input.start_url),
            sitemap_url: given(input.sitemap_url),
            include: input.include,
            exclude: input.exclude,
            tags: input.tags,
            max_depth: input.max_depth.map(i64::from),
            max_pages: input.max_pages.map(i64::from),
            delay_millis: input.delay_milliseconds.map(i64::from),
            every_hours: given(input.every_hours).map(|hours| hours.map(i64::from)),
        }
    }
}

impl From<sources::Source> for Source {
    fn from(s: sources::Source) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            id: s.id.to_string().into(),
            kind: s.kind.into(),
            name: s.name,
            state: s.state.into(),
            quarantined_at: s.quarantined_at.map(DateTime::from),
            start_url: s.start_url.map(String::from),
            sitemap_url: s.sitemap_url.map(String::from),
            include: s.include,
            exclude: s.exclude,
            tags: s.tags,
            max_depth: number(s.max_depth),
            max_pages: number(s.max_pages),
            delay_milliseconds: number(s.delay_millis),
            every_hours: s.every_hours.map(number),
            next_crawl_at: s.next_crawl_at.map(DateTime::from),
            crawl: s.crawl.map(Crawl::from),
            progress: number(s.progress_seq),
            created_at: s.created_at.into(),
            updated_at: s.updated_at.into(),
            row: s.id,
        }
    }
}

impl From<sources::Crawl> for Crawl {
    fn from(c: sources::Crawl) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            number: number(c.number),
            stage: c.stage.into(),
            started_at: c.started_at.into(),
            finished_at: c.finished_at.map(DateTime::from),
            fetched: number(c.fetched),
            not_modified: number(c.not_modified),
            changed: number(c.changed),
            added: number(c.added),
            removed: number(c.removed),
            refused: number(c.refused),
            failed: number(c.failed),
            failure: c.failure.map(|(code, message)| CrawlFailure { code, message }),
        }
    }
}
