//! A source's progress, as a stream: each change of its row, until nothing goes on any more.

use consigne_foundation::{
    ErrorKind, Result, Scope,
    id::SourceId,
    store::{Notice, Topic, replay::LOOK_EVERY},
};
use futures::Stream;

use super::{CrawlStage, Source, SourceState};
use crate::knowledge::Knowledge;

/// Listens to a source. The first item is its present state; `after` skips changes that were seen. It ends with the
/// crawl, or when the source is gone.
pub fn listen(
    scope: Scope,
    knowledge: Knowledge,
    id: SourceId,
    after: Option<i64>,
) -> impl Stream<Item = Result<Source>> + Send {
    async_stream::stream! {
        let mut notices = knowledge.store.notices().listen([Notice { topic: Topic::Source, id: id.0 }]);
        let mut seen = after.unwrap_or(0);
        loop {
            let source = match super::get(&scope, &knowledge.store, id).await {
                Ok(source) => source,
                // It was deleted while somebody listened; a listener who never saw it learns that it is unknown.
                Err(error) if error.kind() == ErrorKind::NotFound && seen > 0 => return,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let is_crawled = source.crawl.as_ref().is_some_and(|crawl| crawl.stage != CrawlStage::Done);
            let goes_on = match source.state {
                SourceState::Active => is_crawled,
                SourceState::Paused => false,
                SourceState::Deleting => true,
            };
            if source.progress_seq > seen {
                seen = source.progress_seq;
                yield Ok(source);
            }
            if !goes_on {
                return;
            }
            notices.wait(LOOK_EVERY).await;
        }
    }
}
