//! One page of a crawl: asked for, judged, and written down with everything that follows from it.

use consigne_foundation::{Result, jobs};
use consigne_sdk::{Fetched, Page, PageRequest, PluginErrorKind};
use url::Url;

use super::{
    crawl::{JOB, MOST_HOPS, Run, Stopped, apart},
    frontier::{Discovery, PageStatus},
    links, take,
};
use crate::{
    entity::{documents as document_table, source_pages as page_table, sources as table},
    knowledge::{deletion, documents, uploads},
};

/// What is to be written about a page.
struct Verdict {
    status: PageStatus,
    count: Option<table::Column>,
    found: Discovery,
    change: Change,
}

/// What becomes of a page's document.
enum Change {
    Keep,
    Remove,
    Take(Box<documents::File>, Url),
}

impl Run<'_> {
    /// Fetches a page and writes what became of it.
    pub(super) async fn visit(&self, page: page_table::Model) -> Result<PageStatus, Stopped> {
        let wanted = Url::parse(&page.url).ok().and_then(|url| self.site.visits(&url));
        let Some(url) = wanted.filter(|url| self.robots.allows(url)) else {
            return self.settle(page, None, Verdict::refused()).await;
        };
        let known = {
            let tx = self.knowledge.store.read(self.scope).await?;
            take::known(&tx, page.document_id).await?
        };
        let mut request = PageRequest::whole(url.clone(), self.knowledge.limits.page_bytes);
        if known.is_some() && self.site.takes(&url) {
            (request.etag, request.last_modified) = (page.etag.clone(), page.last_modified.clone());
        }
        let (mut etag, mut last_modified) = (page.etag.clone(), page.last_modified.clone());
        let verdict = match self.ask(request).await {
            Ok(Fetched::Page(fetched)) => {
                (etag, last_modified) = (fetched.etag.clone(), fetched.last_modified.clone());
                self.judge(&page, &url, known.as_ref(), fetched).await?
            }
            Ok(Fetched::NotModified) => {
                let found = self.links_of_known(&page, &url, known.as_ref()).await?;
                Verdict {
                    status: PageStatus::Taken,
                    count: Some(table::Column::NotModified),
                    found,
                    change: Change::Keep,
                }
            }
            Ok(Fetched::Elsewhere(target)) => self.redirected(&page, &url, &target),
            Ok(Fetched::Gone) => Verdict { status: PageStatus::Gone, ..Verdict::without_document() },
            Ok(Fetched::TooLarge) => Verdict::refused(),
            Err(error) if error.kind == PluginErrorKind::HostNotAllowed => Verdict::refused(),
            // Whatever it was, another day it may be there: its document stays, and so do the pages behind it.
            Err(_) => {
                let found = self.links_of_known(&page, &url, known.as_ref()).await?;
                Verdict { status: PageStatus::Failed, count: Some(table::Column::Failed), found, change: Change::Keep }
            }
        };
        self.settle(page_table::Model { etag, last_modified, ..page }, known, verdict).await
    }

    /// What a page that was sent whole is.
    async fn judge(
        &self,
        page: &page_table::Model,
        url: &Url,
        known: Option<&document_table::Model>,
        fetched: Page,
    ) -> Result<Verdict> {
        let media_type = take::media_type(fetched.media_type, &fetched.bytes);
        let found = self.links(page, url, &media_type, fetched.bytes.clone()).await?;
        let count = Some(table::Column::Fetched);
        if !self.site.takes(url) || !take::is_readable(&media_type) || fetched.bytes.is_empty() {
            return Ok(Verdict { status: PageStatus::Read, count, found, change: Change::Remove });
        }
        let content_hash = take::content_hash(self.scope, self.knowledge, &fetched.bytes).await?;
        let is_same = known.is_some() && page.content_hash.as_ref() == Some(&content_hash);
        let change = if is_same {
            Change::Keep
        } else {
            let bytes = fetched.bytes;
            let file = take::store(self.scope, self.knowledge, url, media_type, bytes, content_hash, &self.source.tags)
                .await?;
            Change::Take(Box::new(file), url.clone())
        };
        Ok(Verdict { status: PageStatus::Taken, count, found, change })
    }

    /// The target is a page like any other: on this site it is visited in its turn, anywhere else it is not.
    fn redirected(&self, page: &page_table::Model, url: &Url, target: &Url) -> Verdict {
        match self.site.visits(target).filter(|target| target != url && page.hops < MOST_HOPS) {
            Some(target) => {
                let found = Discovery { urls: vec![target], depth: page.depth, hops: page.hops + 1, on: Some(page.id) };
                Verdict { status: PageStatus::Redirected, found, ..Verdict::without_document() }
            }
            None => Verdict::refused(),
        }
    }

    async fn links(
        &self,
        page: &page_table::Model,
        url: &Url,
        media_type: &str,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<Discovery> {
        if page.depth >= self.source.max_depth || !take::has_links(media_type) {
            return Ok(Discovery::default());
        }
        let base = url.clone();
        let links = apart(move || links::links(&base, bytes.as_ref())).await?;
        let urls = links.iter().filter_map(|link| self.site.visits(link)).collect();
        Ok(Discovery { urls, depth: page.depth + 1, hops: 0, on: Some(page.id) })
    }

    /// Where a page leads that was not sent: as it did when it was, from the file that is kept of it.
    async fn links_of_known(
        &self,
        page: &page_table::Model,
        url: &Url,
        known: Option<&document_table::Model>,
    ) -> Result<Discovery> {
        let Some(known) = known.filter(|known| take::has_links(&known.media_type)) else {
            return Ok(Discovery::default());
        };
        let workspace = self.scope.workspace();
        let key = self.knowledge.store.vault().workspace_key(workspace).await?;
        let limit = self.knowledge.limits.document_bytes;
        let bytes = self.knowledge.blobs.read(&key, workspace, &known.blob_key, limit).await?;
        self.links(page, url, &known.media_type, bytes).await
    }

    /// Writes what became of a page, in one transaction.
    async fn settle(
        &self,
        mut page: page_table::Model,
        known: Option<document_table::Model>,
        verdict: Verdict,
    ) -> Result<PageStatus, Stopped> {
        let tx = self.knowledge.store.write(self.scope).await?;
        self.round.hold(&tx).await?.ok_or(Stopped::Superseded)?;
        self.round.discover(&tx, &verdict.found, self.source.max_pages).await?;
        let mut counts: Vec<(table::Column, i64)> = verdict.count.iter().map(|count| (*count, 1)).collect();
        let mut unneeded = None;
        page.status = verdict.status.name().to_owned();
        match verdict.change {
            Change::Keep => {}
            Change::Remove => {
                if let Some(document) = page.document_id.take()
                    && deletion::withdraw_in(self.scope, &tx, document).await?.is_some()
                {
                    counts.push((table::Column::Removed, 1));
                }
                (page.etag, page.last_modified, page.content_hash) = (None, None, None);
            }
            Change::Take(file, url) => {
                let known = take::known(&tx, known.map(|known| known.id)).await?.map(|known| known.id);
                page.content_hash = Some(file.content_hash.clone());
                let (document, replaced) = take::take(self.scope, &tx, self.source.id, &url, *file, known).await?;
                page.document_id = Some(document);
                unneeded = replaced;
                counts.push((if known.is_some() { table::Column::Changed } else { table::Column::Added }, 1));
            }
        }
        if !self.round.settle(&tx, page).await? {
            return Err(Stopped::Superseded);
        }
        self.round.tally(&tx, &counts).await?;
        jobs::progressed(&tx, JOB, self.round.source.0).await?;
        tx.commit().await?;
        if let Some(blob) = unneeded {
            uploads::drop_blob(self.knowledge, &blob).await;
        }
        Ok(verdict.status)
    }
}

impl Verdict {
    fn refused() -> Self {
        Self { status: PageStatus::Refused, count: Some(table::Column::Refused), ..Self::without_document() }
    }

    fn without_document() -> Self {
        Self { status: PageStatus::Read, count: None, found: Discovery::default(), change: Change::Remove }
    }
}
