//! Listening to a chat: what was written since, then what comes, on any replica. A listener never asks and never bills.
//!
//! Deltas that this process writes go from hand to hand, by the [`Feed`]; everything else, and whatever a listener did not
//! get that way, is read from its rows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use consigne_foundation::{
    Result, Scope,
    id::{ChatId, SubjectId},
    privacy::subjects,
    store::{
        Notice, Store, Topic,
        replay::{Numbered, PAGE, replay_or_hear},
    },
};
use futures::{Stream, stream};
use tokio::sync::broadcast;

use super::events::{self, ChatEvent};

/// Deltas that a listener may be behind before it reads them from their rows.
const BEHIND: usize = 8;

/// Deltas on their way to whoever listens in this process. Clones share it.
#[derive(Clone, Default)]
pub struct Feed(Arc<Mutex<HashMap<ChatId, broadcast::Sender<ChatEvent>>>>);

impl Feed {
    /// Tells whoever listens to a chat of an event that is committed.
    pub(crate) fn tell(&self, chat: ChatId, event: ChatEvent) {
        if let Some(listeners) = self.chats().get(&chat) {
            // The last one may have left.
            let _ = listeners.send(event);
        }
    }

    fn listen(&self, chat: ChatId) -> Hearing {
        let mut chats = self.chats();
        let events = chats.entry(chat).or_insert_with(|| broadcast::Sender::new(BEHIND)).subscribe();
        Hearing { feed: self.clone(), chat, events }
    }

    fn chats(&self) -> MutexGuard<'_, HashMap<ChatId, broadcast::Sender<ChatEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener of one chat.
struct Hearing {
    feed: Feed,
    chat: ChatId,
    events: broadcast::Receiver<ChatEvent>,
}

impl Hearing {
    /// The next delta; none where some were missed.
    async fn next(&mut self) -> Option<ChatEvent> {
        self.events.recv().await.ok()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let mut chats = self.feed.chats();
        // This one counts still.
        if chats.get(&self.chat).is_some_and(|listeners| listeners.receiver_count() <= 1) {
            chats.remove(&self.chat);
        }
    }
}

/// Events of a chat behind `after`, without end. Ends with an error where the chat is unknown to the scope, or once its
/// visitor is erased.
pub fn listen(
    scope: Scope,
    store: Store,
    feed: &Feed,
    chat: ChatId,
    after: i64,
) -> impl Stream<Item = Result<ChatEvent>> + Send + use<> {
    // Hearing begins before reading, so that no event falls between.
    let hearing = feed.listen(chat);
    async_stream::stream! {
        // On the heap while it reads, and not within each of thousands of listeners that rest.
        let subject = match Box::pin(begin(&scope, &store, chat)).await {
            Ok(subject) => subject,
            Err(error) => {
                yield Err(error);
                return;
            }
        };
        // The person is frozen at once, and their chats go later.
        let told_by = [Notice { topic: Topic::Chat, id: chat.0 }, Notice { topic: Topic::Session, id: subject.0 }];
        // What is heard was checked by the transaction that wrote it: nobody is heard of who was erased, or whose data may only
        // be stored.
        let heard = stream::unfold(hearing, |mut hearing| async move { Some((hearing.next().await, hearing)) });
        let events = replay_or_hear(store.clone(), after, told_by, heard, move |seen| {
            let (scope, store) = (scope.clone(), store.clone());
            Box::pin(async move { next(&scope, &store, chat, seen).await })
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

/// Whose chat it is; that somebody reads it is written down.
async fn begin(scope: &Scope, store: &Store, chat: ChatId) -> Result<SubjectId> {
    super::record_reading(scope, store, chat).await?;
    let tx = store.read(scope).await?;
    Ok(super::find(scope, &tx, chat).await?.subject_id)
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
