//! Deltas, written while a model speaks.

use std::{pin::pin, time::Duration};

use consigne_foundation::{
    Error, ErrorKind, Result, Scope, Timestamp,
    privacy::{Purpose, admission, subjects},
    store::{Store, WorkspaceTx},
};
use consigne_sdk::{ChatDelta, ChatStream};
use futures::StreamExt;
use sea_orm::EntityTrait;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{AnswerHandler, AnswerRun, desk::Desk, table};
use crate::{
    assistants,
    chats::{
        citations::MarkerFilter,
        events::{self, Happening},
        harmless::Harmless,
    },
    knowledge::parse,
};

/// Text waits this long for more of it, so that a token is not a transaction.
const FLUSH_EVERY: Duration = Duration::from_millis(60);
/// A silent model is asked this often, in flushes, whether the answer is still wanted.
const CHECK_EVERY: u32 = 8;

/// Writes deltas while a model speaks.
pub(super) struct Writer<'a> {
    store: &'a Store,
    desk: &'a Desk,
    scope: &'a Scope,
    run: &'a AnswerRun,
    waiting: String,
    ticks: u32,
    /// When text was first written.
    pub(super) first_text: Option<Timestamp>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(handler: &'a AnswerHandler, scope: &'a Scope, run: &'a AnswerRun) -> Self {
        Self {
            store: handler.store(),
            desk: &handler.desk,
            scope,
            run,
            waiting: String::new(),
            ticks: 0,
            first_text: None,
        }
    }

    /// All that the model says, or `None` where it finds no answer in the passages. Dropping the stream cancels the call.
    pub(super) async fn write_all(
        &mut self,
        call: impl Future<Output = Result<ChatStream>>,
        passages: usize,
        given: &[String],
    ) -> Result<Option<String>> {
        let mut beat = interval(FLUSH_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut call = pin!(call);
        let mut stream = loop {
            tokio::select! {
                stream = &mut call => break stream?,
                _ = beat.tick() => {}
            }
            self.on_beat().await?;
        };
        let mut markers = MarkerFilter::new(passages);
        let mut harmless = Harmless::new(given.iter().map(String::as_str));
        let mut text = String::new();
        while let Some(delta) = self.next(&mut stream, &mut beat).await? {
            match delta {
                ChatDelta::Text(piece) => {
                    let shown = harmless.push(&markers.push(&parse::clean::clean(&piece)));
                    text.push_str(&shown);
                    self.waiting.push_str(&shown);
                    if self.first_text.is_none() && !self.waiting.trim().is_empty() {
                        self.flush().await?;
                    }
                }
                ChatDelta::NotInKnowledge => return Ok(None),
                ChatDelta::Usage { .. } => {}
            }
        }
        let rest = harmless.push(&markers.finish()) + &harmless.finish();
        text.push_str(&rest);
        self.waiting.push_str(&rest);
        self.flush().await?;
        Ok((!text.trim().is_empty()).then_some(text))
    }

    /// The next delta. Between deltas what waits is written, and the row is asked whether the answer is still wanted.
    async fn next(&mut self, stream: &mut ChatStream, beat: &mut Interval) -> Result<Option<ChatDelta>> {
        loop {
            tokio::select! {
                biased;
                _ = beat.tick() => {}
                delta = stream.next() => return Ok(delta.transpose()?),
            }
            self.on_beat().await?;
        }
    }

    async fn on_beat(&mut self) -> Result<()> {
        self.ticks += 1;
        if !self.waiting.is_empty() {
            return self.flush().await;
        }
        if self.ticks.is_multiple_of(CHECK_EVERY) {
            let tx = self.store.read(self.scope).await?;
            require_wanted(&tx, &self.run.row).await?;
        }
        Ok(())
    }

    /// Says this and nothing else: what was heard already is void, as after a failure.
    pub(super) async fn say_instead(&mut self, text: &str) -> Result<()> {
        if self.first_text.is_some() {
            let row = &self.run.row;
            let tx = self.store.write(self.scope).await?;
            self.run.hold(&tx).await?;
            let begun_anew = Happening::AnswerStarted(row.id);
            events::append(&tx, &self.run.key, row.chat_id, row.subject_id, &begun_anew).await?;
            tx.commit().await?;
        }
        self.waiting.clear();
        self.waiting.push_str(text);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.waiting);
        self.desk.write(self.store, self.scope, self.run.whose(), text).await?;
        self.first_text.get_or_insert(self.store.now());
        Ok(())
    }
}

/// Refuses once the visitor is erased or objected, the purpose is revoked, the assistant is paused or a person took the chat.
async fn require_wanted(tx: &WorkspaceTx, row: &table::Model) -> Result<()> {
    subjects::require_generation(tx, row.subject_id, row.subject_generation).await?;
    admission::require(tx, Purpose::Answering, Some(row.subject_id)).await?;
    assistants::require_awake(tx, row.assistant_id).await?;
    let now = table::Entity::find_by_id((tx.workspace(), row.id)).one(tx.db()).await?;
    let is_open = now.is_some_and(|now| now.status == "STREAMING");
    if is_open { Ok(()) } else { Err(Error::new(ErrorKind::Conflict, "This answer is not wanted any more.")) }
}
