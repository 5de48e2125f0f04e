//! The capability: texts in, vectors out, in the host's async world.

use std::time::Duration;

use async_trait::async_trait;
use consigne_sdk::{EmbedKind, Embedder, EmbeddingModel, PluginError, PluginErrorKind, Result};
use tokio::sync::oneshot;

use crate::{
    model::{Model, Prefixes},
    pool::{Limits, Pool},
    queue::{Lane, Reply, Task},
};

/// Longest piece that is counted at once, in bytes: about 3 ms during which a question waits.
const COUNTED_AT_ONCE: usize = 4096;

/// How long a further instance is kept after its last passage: an ingest comes in bursts.
const IDLE: Duration = Duration::from_secs(60);

/// A model in this process.
pub(crate) struct LocalEmbedder {
    facts: EmbeddingModel,
    prefixes: Prefixes,
    pool: Pool,
}

impl LocalEmbedder {
    /// Starts serving `model` with at most so many instances.
    ///
    /// # Errors
    /// `Unavailable` where the system gives no thread.
    pub(crate) fn start(model: Model, instances: usize) -> Result<Self> {
        let Model { facts, prefixes, load } = model;
        Ok(Self { facts, prefixes, pool: Pool::start(load, Limits { instances, idle: IDLE })? })
    }

    /// Queues a task for each text and waits for all of them. Whoever drops this call drops its replies, and work that
    /// nobody waits for is skipped.
    async fn ask<T>(&self, lane: Lane, texts: Vec<String>, task: impl Fn(String, Reply<T>) -> Task) -> Result<Vec<T>> {
        let queued = texts.into_iter().map(|text| {
            let (reply, answer) = oneshot::channel();
            (task(text, reply), answer)
        });
        let (tasks, pending): (Vec<_>, Vec<_>) = queued.unzip();
        self.pool.submit(lane, tasks);
        let mut answers = Vec::with_capacity(pending.len());
        for answer in pending {
            answers.push(answer.await.map_err(|_| stopped())??);
        }
        Ok(answers)
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn model(&self) -> &EmbeddingModel {
        &self.facts
    }

    async fn warm(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.pool.submit(Lane::Question, vec![Task::Warm(reply)]);
        answer.await.map_err(|_| stopped())?
    }

    async fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let lane = match kind {
            EmbedKind::Question => Lane::Question,
            EmbedKind::Passage => Lane::Passage,
        };
        self.ask(lane, texts, |text, reply| Task::Embed(self.prefixes.put_before(kind, &text), reply)).await
    }

    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        let pieces: Vec<_> = texts.iter().map(|text| pieces(text, COUNTED_AT_ONCE)).collect();
        let lengths: Vec<_> = pieces.iter().map(Vec::len).collect();
        let mut counts = self.ask(Lane::Count, pieces.concat(), Task::Count).await?.into_iter();
        Ok(lengths.into_iter().map(|pieces| counts.by_ref().take(pieces).sum()).collect())
    }
}

/// Cuts a text where that changes no token: at single spaces between words, which sentence pieces never span. A piece is
/// as long as `at_most` bytes allow, or longer where there is no such space.
fn pieces(text: &str, at_most: usize) -> Vec<String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > at_most {
        let bytes = rest.as_bytes();
        let plain = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_graphic());
        let single_space = |at: &usize| bytes[*at] == b' ' && plain(at - 1) && plain(at + 1);
        let before = (1..at_most).rev().find(single_space);
        let Some(at) = before.or_else(|| (at_most..bytes.len()).find(single_space)) else { break };
        pieces.push(rest[..at].to_owned());
        rest = &rest[at + 1..];
    }
    pieces.push(rest.to_owned());
    pieces
}

fn stopped() -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, "an embedding instance stopped before it answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_single_spaces_only() {
        assert_eq!(pieces("short", 10), ["short"]);
        assert_eq!(pieces("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(pieces("one  two \n three", 6), ["one  two \n three"]);
        assert_eq!(pieces("無料でお試しいただけます。", 6), ["無料でお試しいただけます。"]);
        assert_eq!(pieces("", 6), [""]);
    }
}
