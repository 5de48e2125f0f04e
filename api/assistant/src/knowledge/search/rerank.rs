//! A second look at the best passages, by a reranker that the workspace switched on.
//!
//! It changes their order and nothing else. What an answer needs at the least stays a matter of the cosine: that scale was
//! calibrated for the embedding model, while a reranker's scores are on a scale of each model's own, which nobody has
//! calibrated here. So a passage that is moved up keeps its cosine, and one that does not reach the threshold is not taken to
//! answer, wherever it stands.

use std::sync::Arc;

use consigne_foundation::{Error, Result, Scope, error::ErrorKind, id::SubjectId, plugins::RouteFacts};
use consigne_sdk::Reranker;
use tokio::time::timeout;

use super::{super::Knowledge, Found, recipients};
use crate::knowledge::chunk;

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reranked {
    /// The passages are in the reranker's order.
    Done,
    /// It failed, and the passages are as they were.
    Failed,
    /// It took too long, and the passages are as they were.
    TooLate,
}

impl Reranked {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TooLate => "too_late",
        }
    }
}

/// Who takes a second look, for one answer.
pub(crate) enum Look {
    /// Nobody: the workspace switched no reranker on.
    Nobody,
    /// Somebody who cannot be opened.
    Broken,
    /// This reranker, behind which is this party.
    By(Arc<dyn Reranker>, Box<RouteFacts>),
}

impl Look {
    /// The workspace's.
    pub async fn of(scope: &Scope, knowledge: &Knowledge) -> Self {
        match knowledge.registry.reranker(scope, &knowledge.store).await {
            Ok(None) => Self::Nobody,
            Ok(Some((reranker, facts))) => Self::By(reranker, Box::new(facts)),
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a reranker cannot be opened");
                Self::Broken
            }
        }
    }

    /// How many passages are worth looking for.
    pub fn wants(&self, knowledge: &Knowledge) -> usize {
        if matches!(self, Self::By(..)) { knowledge.limits.reranked_passages } else { 0 }
    }

    /// The passages in a better order, and what became of it; `None` where nobody looked. No failure of a reranker is a
    /// failure of the answer; where it cannot be written down who gets the question, nobody does.
    pub async fn at(
        &self,
        scope: &Scope,
        knowledge: &Knowledge,
        (question, whose): (&str, Option<SubjectId>),
        found: &mut [Found],
    ) -> Option<Reranked> {
        let (reranker, facts) = match self {
            Self::Nobody => return None,
            Self::Broken => return Some(Reranked::Failed),
            Self::By(reranker, facts) => (reranker, facts),
        };
        let plugin = facts.plugin;
        let best = found.len().min(knowledge.limits.reranked_passages);
        if best < 2 {
            return None;
        }
        if let Err(error) = recipients::record(scope, &knowledge.store, whose, &[facts.as_ref()]).await {
            tracing::warn!(plugin, kind = ?error.kind(), "a reranker is not asked");
            return Some(Reranked::Failed);
        }
        let texts = found[..best].iter().map(|found| chunk::embedded_text(&found.headings, &found.text)).collect();
        let scores = match timeout(knowledge.limits.rerank_within, reranker.scores(question, texts)).await {
            Ok(scores) => scores.map_err(Error::from).and_then(|scores| checked(scores, best)),
            Err(_) => {
                tracing::warn!(plugin, passages = best, "a reranker took too long");
                return Some(Reranked::TooLate);
            }
        };
        match scores {
            Ok(scores) => {
                reorder(&mut found[..best], &scores);
                Some(Reranked::Done)
            }
            Err(error) => {
                tracing::warn!(plugin, kind = ?error.kind(), passages = best, "a reranker failed");
                Some(Reranked::Failed)
            }
        }
    }
}

fn checked(scores: Vec<f32>, passages: usize) -> Result<Vec<f32>> {
    if scores.len() == passages && scores.iter().all(|score| score.is_finite()) {
        return Ok(scores);
    }
    Err(Error::new(ErrorKind::Unavailable, "a reranker did not answer one number for each passage"))
}

/// Best score first; equal ones stay as they were. The ranks stay where they are, so that they go down from the first passage
/// to the last as before.
fn reorder(found: &mut [Found], scores: &[f32]) {
    let ranks: Vec<f32> = found.iter().map(|found| found.rank).collect();
    let mut scored: Vec<(f32, Found)> = scores.iter().copied().zip(found.iter().cloned()).collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for ((place, rank), (_, passage)) in found.iter_mut().zip(ranks).zip(scored) {
        *place = Found { rank, ..passage };
    }
}
