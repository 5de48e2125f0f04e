//! Listening to a chat: what was written since, then what comes, on any replica. A listener never asks and never bills.

use std::time::Duration;

use consigne_foundation::{
    Result, Scope,
    id::ChatId,
    privacy::subjects,
    store::{Store, Topic},
};
use futures::Stream;

use super::events::{self, ChatEvent};

/// Events read in one step.
const PAGE: u64 = 200;

/// A look at the rows where no notice came.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Events of a chat behind `after`, without end. Ends with an error where the chat is unknown to the scope, or once its
/// visitor is erased.
pub fn listen(scope: Scope, store: Store, chat: ChatId, after: i64) -> impl Stream<Item = Result<ChatEvent>> + Send {
    async_stream::stream! {
        let mut notices = store.notices().listen();
        let mut seen = after.max(0);
        if let Err(error) = super::record_reading(&scope, &store, chat).await {
            yield Err(error);
            return;
        }
        loop {
            match next(&scope, &store, chat, seen).await {
                Ok(page) => {
                    let full = page.len() as u64 == PAGE;
                    for event in page {
                        seen = event.seq;
                        yield Ok(event);
                    }
                    if full {
                        continue;
                    }
                }
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
            notices.wait_for(LOOK_EVERY, |n| n.topic == Topic::Chat && n.id == chat.0).await;
        }
    }
}

async fn next(scope: &Scope, store: &Store, chat: ChatId, after: i64) -> Result<Vec<ChatEvent>> {
    let tx = store.read(scope).await?;
    let chat = super::find(scope, &tx, chat).await?;
    // From the moment an erasure is asked for, nothing more is said.
    subjects::require_active(&tx, chat.subject_id).await?;
    if chat.last_seq <= after {
        return Ok(Vec::new());
    }
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    events::read(&tx, &key, chat.id, after, PAGE).await
}
