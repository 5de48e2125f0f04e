//! The search over one partition: bytes first, then the vectors that can still be among the best.
//!
//! The byte scan reads a quarter of the memory and says of every row between which cosines it lies (see
//! [`crate::code`]). Rows are then looked at in order of what they could reach at best, and the search ends when no row left
//! can beat the worst hit: the result is that of a brute-force scan. On embeddings of text a few hundred rows of
//! 100,000 are looked at; where thousands are equally near, all of those are.

use std::{cmp::Reverse, collections::BinaryHeap};

use consigne_sdk::Hit;

use crate::{
    code::{dot_bytes, dot_exact, encode},
    rows::Rows,
};

/// Room for the rounding of 32-bit sums themselves.
const SLACK: f32 = 1e-5;

/// A row that could be a hit.
#[derive(Clone, Copy)]
struct Candidate {
    row: usize,
    /// The cosine it has at best.
    most: f32,
}

/// A hit while the search goes on, ordered by score, then by row so that equal scores have one order.
#[derive(Clone, Copy, PartialEq)]
struct Found {
    score: f32,
    row: usize,
}

impl Eq for Found {}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The nearest rows by cosine, best first, at most `limit`. `question` has as many numbers as the rows.
pub(crate) fn nearest(rows: &Rows, question: &[f32], limit: usize) -> Vec<Hit> {
    let limit = limit.min(rows.len());
    if limit == 0 {
        return Vec::new();
    }
    let (mut exact, mut bytes) = (vec![0.0; question.len()], vec![0; question.len()]);
    let asked = encode(question, &mut exact, &mut bytes);

    let mut least = Vec::with_capacity(rows.len());
    let mut candidates = Vec::with_capacity(rows.len());
    for (row, rounded) in rows.rounded().enumerate() {
        let about = dot_bytes(rounded.bytes, &bytes) * rounded.scale.step * asked.step;
        let off = rounded.scale.lost + rounded.scale.kept * asked.lost + SLACK;
        least.push(about - off);
        candidates.push(Candidate { row, most: about + off });
    }
    let (_, floor, _) = least.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a));
    candidates.retain(|candidate| candidate.most >= *floor);
    candidates.sort_unstable_by(|a, b| b.most.total_cmp(&a.most).then(a.row.cmp(&b.row)));

    let mut best: BinaryHeap<Reverse<Found>> = BinaryHeap::with_capacity(limit + 1);
    for candidate in candidates {
        let worst = best.peek().map_or(f32::NEG_INFINITY, |found| found.0.score);
        if best.len() == limit && candidate.most < worst {
            break;
        }
        let score = dot_exact(rows.exact(candidate.row), &exact);
        best.push(Reverse(Found { score, row: candidate.row }));
        if best.len() > limit {
            best.pop();
        }
    }
    let hits = best.into_sorted_vec().into_iter();
    hits.map(|Reverse(found)| Hit { passage: rows.passage(found.row), score: found.score.clamp(-1.0, 1.0) }).collect()
}
