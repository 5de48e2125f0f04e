//! Listening to a chat: what was written since, then what comes, on any replica. A listener never asks and never bills.

use consigne_foundation::{
    Result, Scope,
    id::ChatId,
    privacy::subjects,
    store::{
        Notice, Store, Topic,
        replay::{Numbered, PAGE, replay},
    },
};
use futures::Stream;

use super::events::{self, ChatEvent};

/// Events of a chat behind `after`, without end. Ends with an error where the chat is unknown to the scope, or once its
/// visitor is erased.
pub fn listen(scope: Scope, store: Store, chat: ChatId, after: i64) -> impl Stream<Item = Result<ChatEvent>> + Send {
    async_stream::stream! {
        if let Err(error) = super::record_reading(&scope, &store, chat).await {
            yield Err(error);
            return;
        }
        let told_by = Notice { topic: Topic::Chat, id: chat.0 };
        let events = replay(store.clone(), after, told_by, move |seen| {
            let (scope, store) = (scope.clone(), store.clone());
            async move { next(&scope, &store, chat, seen).await }
        });
        for await event in events {
            yield event;
        }
    }
}

impl Numbered for ChatEvent {
    fn seq(&self) -> i64 {
        self.seq
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
