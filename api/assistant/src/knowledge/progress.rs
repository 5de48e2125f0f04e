//! A document's progress, as a stream: each change of its row once, until it is ready, failed or gone.

use consigne_foundation::{
    ErrorKind, Result, Scope,
    id::DocumentId,
    store::{Notice, Topic, replay::LOOK_EVERY},
};
use futures::Stream;

use super::{
    Knowledge,
    documents::{self, Document, DocumentState},
};

/// Listens to a document. The first item is its present state; `after` skips changes that were seen.
pub fn listen(
    scope: Scope,
    knowledge: Knowledge,
    id: DocumentId,
    after: Option<i64>,
) -> impl Stream<Item = Result<Document>> + Send {
    async_stream::stream! {
        let mut notices = knowledge.store.notices().listen([Notice { topic: Topic::Document, id: id.0 }]);
        let mut seen = after.unwrap_or(0);
        loop {
            let document = match documents::get(&scope, &knowledge.store, id).await {
                Ok(document) => document,
                // It was deleted while somebody listened; a listener who never saw it learns that it is unknown.
                Err(error) if error.kind() == ErrorKind::NotFound && seen > 0 => return,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let ended = matches!(document.state, DocumentState::Ready | DocumentState::Failed);
            if document.progress_seq > seen {
                seen = document.progress_seq;
                yield Ok(document);
            }
            if ended {
                return;
            }
            notices.wait(LOOK_EVERY).await;
        }
    }
}
