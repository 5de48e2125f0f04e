//! The crawl: a durable job that may be killed at any moment and goes on where its rows are.
//!
//! It works in slices of so many pages and so much time, so that a long crawl or a slow site does not keep others waiting:
//! robots.txt at the beginning of each, the sitemap once, then page by page (`visit`). Each transaction asks first whether
//! the crawl is still wanted.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    audit::{self, Event},
    id::SourceId,
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
};
use consigne_sdk::{Fetched, PageFetcher, PageRequest, PluginError, PluginErrorKind};
use sea_orm::sea_query::Expr;
use tokio::{task::spawn_blocking, time::sleep};
use url::Url;

use super::{
    CrawlStage, Source,
    frontier::{Discovery, PageStatus, Round},
    polite::{self, Turns},
    robots::{self, Robots},
    settings,
    site::Site,
    sitemap::{self, Sitemap},
};
use crate::{
    entity::sources as table,
    knowledge::{Knowledge, deletion},
};

pub(super) const JOB: &str = "crawl";

/// Pages of one slice.
const SLICE: usize = 100;

/// Time after which a slice begins no further page.
const SLICE_TIME: Duration = Duration::from_secs(60);

/// Pages in a row that could not be fetched, after which the site is taken to be down.
const MOST_FAILURES: usize = 10;

/// Redirects in a row.
pub(super) const MOST_HOPS: i64 = 5;

/// Sitemaps that one index may list.
const MOST_SITEMAPS: usize = 50;

/// A pause after a collision with another writer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The job that crawls a source.
pub(super) fn job(source: SourceId) -> NewJob {
    NewJob::new(JOB, source.0).priority(6)
}

/// Crawls sources.
pub struct CrawlHandler {
    knowledge: Knowledge,
    turns: Turns,
}

impl CrawlHandler {
    /// Crawls over this knowledge.
    pub fn new(knowledge: Knowledge) -> Self {
        Self { knowledge, turns: Turns::default() }
    }

    /// The source and its crawl, where one goes on.
    async fn running(&self, job: &ClaimedJob) -> Result<Option<(Source, Round)>> {
        let id = SourceId(job.target);
        let tx = self.knowledge.store.read(&job.scope).await?;
        let row = match super::find(&tx, id).await {
            Ok(row) => row,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let round = Round { source: id, number: row.crawl };
        Ok(round.goes_on(&row).then(|| (row.into(), round)))
    }

    async fn slice(&self, scope: &Scope, source: Source, round: Round) -> Result<Slice, Stopped> {
        let knowledge = &self.knowledge;
        let fetcher = match knowledge.registry.page_fetcher(scope, &knowledge.store).await {
            Err(error) if error.kind() == ErrorKind::Disabled => {
                return Err(Stopped::site("DISABLED", "The workspace has switched off what fetches websites."));
            }
            Err(error) if error.kind() == ErrorKind::PurposeRefused => {
                let message = "The workspace revoked the purpose KNOWLEDGE_INDEXING. Instruct it, then crawl again.";
                return Err(Stopped::site("PURPOSE_REFUSED", message));
            }
            other => other?,
        };
        let Some(home) = source.start_url.clone().or_else(|| source.sitemap_url.clone()) else {
            return Err(Stopped::site("NO_START", "The source has neither a start page nor a sitemap."));
        };
        let site = Site::new(&home, &source.include, &source.exclude)?;
        let mut run =
            Run { knowledge, scope, round, source, site, home, fetcher, turns: &self.turns, robots: Robots::default() };
        run.all().await
    }
}

#[async_trait]
impl JobHandler for CrawlHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        2
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let Some((source, round)) = self.running(job).await? else { return Ok(Outcome::Done) };
        match self.slice(&job.scope, source, round).await {
            Ok(Slice::More) => Ok(Outcome::Later(Duration::ZERO)),
            // Paused, deleted or started anew meanwhile: there is a job for that, or nothing to do.
            Ok(Slice::Ended) | Err(Stopped::Superseded) => Ok(Outcome::Done),
            Err(Stopped::Site(code, message)) => {
                end(&job.scope, &self.knowledge, round, Some((code, message))).await?;
                Ok(Outcome::Done)
            }
            // Somebody else wrote the same row at the same time: what they wrote is there at the next look.
            Err(Stopped::Error(error)) if error.kind() == ErrorKind::Conflict => Ok(Outcome::Later(LOOK_AGAIN)),
            Err(Stopped::Error(error)) => Err(error),
        }
    }

    async fn give_up(&self, job: &ClaimedJob, _: &Error) -> Result<()> {
        let Some((_, round)) = self.running(job).await? else { return Ok(()) };
        let message =
            "The crawl could not go on. The operator finds the reason in the log; crawl again after mending it.";
        end(&job.scope, &self.knowledge, round, Some(("INTERNAL", message))).await
    }
}

/// How a slice ended.
enum Slice {
    /// There are more pages.
    More,
    /// The crawl is at its end.
    Ended,
}

/// Why a crawl stopped before its end.
pub(super) enum Stopped {
    /// It is not wanted any more.
    Superseded,
    /// The site cannot be crawled now; nothing is taken away.
    Site(&'static str, &'static str),
    /// A part of ours failed; the job decides whether to try again.
    Error(Error),
}

impl Stopped {
    fn site(code: &'static str, message: &'static str) -> Self {
        Self::Site(code, message)
    }
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

pub(super) struct Run<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) scope: &'a Scope,
    pub(super) round: Round,
    pub(super) source: Source,
    pub(super) site: Site,
    pub(super) home: Url,
    pub(super) fetcher: Arc<dyn PageFetcher>,
    pub(super) turns: &'a Turns,
    pub(super) robots: Robots,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<Slice, Stopped> {
        self.robots = self.read_robots().await?;
        if self.source.crawl.as_ref().is_some_and(|crawl| crawl.stage == CrawlStage::Seeding) {
            self.seed().await?;
        }
        let mut failures = 0;
        let ends = self.knowledge.store.now().plus(SLICE_TIME);
        for _ in 0..SLICE {
            if self.knowledge.store.now() >= ends {
                break;
            }
            let page = {
                let tx = self.knowledge.store.read(self.scope).await?;
                self.round.next(&tx).await?
            };
            let Some(page) = page else { return self.finish().await };
            let status = self.visit(page).await?;
            failures = if status == PageStatus::Failed { failures + 1 } else { 0 };
            if failures == MOST_FAILURES {
                return Err(unreachable_site());
            }
        }
        Ok(Slice::More)
    }

    /// RFC 9309, section 2.3.1: a robots.txt that is not there allows everything, one that cannot be reached nothing.
    async fn read_robots(&self) -> Result<Robots, Stopped> {
        let url = self.home.join("/robots.txt").map_err(|_| unreachable_site())?;
        match self.follow(PageRequest::whole(url, robots::LONGEST as u64)).await {
            Ok(Fetched::Page(page)) => {
                let fetcher = self.fetcher.clone();
                Ok(apart(move || Robots::parse(&page.bytes, fetcher.robot())).await?)
            }
            Ok(Fetched::Gone) => Ok(Robots::default()),
            Ok(Fetched::TooLarge) => Err(Stopped::site(
                "ROBOTS_TOO_LARGE",
                "The website's robots.txt is larger than 500 KiB; nobody reads it.",
            )),
            Err(error) if error.kind == PluginErrorKind::Refused => Ok(Robots::default()),
            Err(error) if error.kind == PluginErrorKind::HostNotAllowed => {
                Err(Stopped::site("HOST_NOT_ALLOWED", "The website is not on the public internet, or not under https."))
            }
            _ => Err(unreachable_site()),
        }
    }

    /// Where the crawl begins.
    async fn seed(&self) -> Result<(), Stopped> {
        let mut urls: Vec<Url> = self.source.start_url.iter().filter_map(|url| self.site.visits(url)).collect();
        if let Some(sitemap) = &self.source.sitemap_url {
            let listed = self.read_sitemaps(sitemap).await?;
            urls.extend(listed.iter().filter_map(|url| self.site.visits(url)));
        }
        let tx = self.knowledge.store.write(self.scope).await?;
        self.round.hold(&tx).await?.ok_or(Stopped::Superseded)?;
        self.round.discover(&tx, &Discovery { urls, ..Discovery::default() }, self.source.max_pages).await?;
        self.round.enter(&tx, CrawlStage::Fetching).await?;
        Ok(tx.commit().await?)
    }

    async fn read_sitemaps(&self, first: &Url) -> Result<Vec<Url>, Stopped> {
        let further = match self.read_sitemap(first).await? {
            Sitemap::Pages(pages) => return Ok(pages),
            Sitemap::Index(further) => further,
        };
        let (mut all, most) = (Vec::new(), usize::try_from(self.source.max_pages).unwrap_or(0));
        for sitemap in further.iter().filter(|sitemap| self.site.has(sitemap)).take(MOST_SITEMAPS) {
            // An index within an index is outside the protocol.
            if let Sitemap::Pages(pages) = self.read_sitemap(sitemap).await? {
                all.extend(pages.iter().filter_map(|url| self.site.visits(url)));
            }
            all.truncate(most);
            if all.len() == most {
                break;
            }
        }
        Ok(all)
    }

    /// A sitemap that cannot be read ends the crawl: without it, pages would be taken for gone.
    async fn read_sitemap(&self, url: &Url) -> Result<Sitemap, Stopped> {
        let read = match self.follow(PageRequest::whole(url.clone(), sitemap::LONGEST)).await {
            Ok(Fetched::Page(page)) => apart(move || sitemap::read(&page.bytes)).await?.ok(),
            _ => None,
        };
        read.ok_or_else(|| Stopped::site("SITEMAP_UNREADABLE", "The sitemap, or one that it lists, could not be read."))
    }

    /// Takes away what nothing leads to any more, a document in a transaction.
    async fn finish(&self) -> Result<Slice, Stopped> {
        let unlinked = {
            let tx = self.knowledge.store.write(self.scope).await?;
            let row = self.round.hold(&tx).await?.ok_or(Stopped::Superseded)?;
            if row.fetched + row.not_modified == 0 {
                return Err(Stopped::site(
                    "NOTHING_READ",
                    "No page could be read. Look at the start page and at robots.txt.",
                ));
            }
            self.round.unlinked(&tx).await?
        };
        for page in unlinked {
            let tx = self.knowledge.store.write(self.scope).await?;
            self.round.hold(&tx).await?.ok_or(Stopped::Superseded)?;
            let Some(page) = self.round.page(&tx, page).await? else { continue };
            self.round.forget(&tx, page.id).await?;
            let removed = match page.document_id {
                Some(document) => i64::from(deletion::withdraw_in(self.scope, &tx, document).await?.is_some()),
                None => 0,
            };
            self.round.enter(&tx, CrawlStage::Removing).await?;
            self.round.tally(&tx, &[(table::Column::Removed, removed)]).await?;
            jobs::progressed(&tx, JOB, self.round.source.0).await?;
            tx.commit().await?;
        }
        end(self.scope, self.knowledge, self.round, None).await?;
        Ok(Slice::Ended)
    }

    /// One request in its turn, and the pause behind it.
    pub(super) async fn ask(&self, request: PageRequest) -> Result<Fetched, PluginError> {
        let _turn = self.turns.at(request.url.host_str().unwrap_or_default()).await;
        let answer = self.fetcher.fetch(request).await;
        sleep(polite::pause(self.source.delay_millis, self.robots.delay())).await;
        answer
    }

    /// As [`Run::ask`], and on to where a redirect leads: each hop is checked like a first request.
    async fn follow(&self, mut request: PageRequest) -> Result<Fetched, PluginError> {
        for _ in 0..=MOST_HOPS {
            match self.ask(request.clone()).await? {
                Fetched::Elsewhere(url) => request.url = url,
                other => return Ok(other),
            }
        }
        Err(PluginError::new(PluginErrorKind::InvalidResponse, "redirects without end"))
    }
}

/// Does beside the runtime what takes as long as a stranger's file is large.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|_| Error::internal("reading a site's file broke off"))
}

fn unreachable_site() -> Stopped {
    Stopped::site(
        "SITE_UNAVAILABLE",
        "The website, or its robots.txt, did not answer. It is tried again at the next crawl.",
    )
}

/// Writes the end of a crawl, and when the next one is due.
async fn end(
    scope: &Scope,
    knowledge: &Knowledge,
    round: Round,
    failure: Option<(&'static str, &'static str)>,
) -> Result<()> {
    let tx = knowledge.store.write(scope).await?;
    let Some(row) = round.hold(&tx).await? else { return Ok(()) };
    let now = knowledge.store.now();
    round
        .update(&tx)
        .col_expr(table::Column::CrawlStage, Expr::value(CrawlStage::Done.name()))
        .col_expr(table::Column::CrawlFinishedAt, Expr::value(now))
        .col_expr(table::Column::NextCrawlAt, Expr::value(settings::next_crawl(row.every_hours, now)))
        .col_expr(table::Column::FailureCode, Expr::value(failure.map(|(code, _)| code)))
        .col_expr(table::Column::FailureMessage, Expr::value(failure.map(|(_, message)| message)))
        .exec(tx.db())
        .await?;
    let event = Event::new("source.crawled").target("source", round.source.0);
    let event = event.detail("added", row.added).detail("changed", row.changed).detail("removed", row.removed);
    let event = event.detail("failed", row.failed).detail("failure", failure.map(|(code, _)| code));
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_large_file_of_a_stranger_holds_nobody_up() {
        let reading = apart(|| std::thread::sleep(Duration::from_millis(500)));
        tokio::select! {
            biased;
            _ = reading => panic!("everybody else waited until it was read"),
            () = sleep(Duration::from_millis(50)) => {}
        }
    }
}
