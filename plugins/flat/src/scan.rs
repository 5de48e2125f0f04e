//! The search over one partition: the first layer of bytes, then both of the vectors that can still be among the best.
//!
//! The scan reads half of the memory and says of every row between which cosines it lies (see [`crate::code`]); what
//! terms add is known beforehand, and rows that the filter leaves out are not looked at. Rows are then looked at in order of what they could reach at best, and the search ends when no row left
//! can beat the worst hit: the result is that of a brute-force scan. On embeddings of text a few hundred rows of
//! 100,000 are looked at; where thousands are equally near, all of those are.

use std::{cmp::Reverse, collections::BinaryHeap};

use consigne_sdk::{Hit, IndexQuery};

use crate::{
    code::{Layers, encode},
    rows::Rows,
};

/// Room for the rounding of 32-bit sums themselves.
const SLACK: f32 = 1e-5;

/// A row that could be a hit.
#[derive(Clone, Copy)]
struct Candidate {
    row: usize,
    /// The score it has at best.
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

/// The best rows by score, best first. The question's vector has as many numbers as the rows.
pub(crate) fn nearest(rows: &Rows, query: &IndexQuery) -> Vec<Hit> {
    let (mut coarse, mut fine) = (vec![0; query.vector.len()], vec![0; query.vector.len()]);
    let scale = encode(&query.vector, &mut coarse, &mut fine);
    let asked = Layers { coarse: &coarse, fine: &fine, scale };
    let of_terms = rows.term_scores(&query.terms);
    let added = |row: usize| of_terms.as_ref().map_or(0.0, |scores| scores[row]);
    let admitted = rows.admitted(&query.filter);

    let mut least = Vec::with_capacity(rows.len());
    let mut candidates = Vec::with_capacity(rows.len());
    for (row, vector) in rows.vectors().enumerate() {
        if admitted.as_ref().is_some_and(|is_admitted| !is_admitted(row)) {
            continue;
        }
        let about = vector.about(&asked) + added(row);
        let off = vector.scale.lost + vector.scale.kept * scale.lost + SLACK;
        least.push(about - off);
        candidates.push(Candidate { row, most: about + off });
    }
    let limit = query.limit.min(candidates.len());
    if limit == 0 {
        return Vec::new();
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
        let score = rows.vector(candidate.row).cosine(&asked) + added(candidate.row);
        best.push(Reverse(Found { score, row: candidate.row }));
        if best.len() > limit {
            best.pop();
        }
    }
    let hits = best.into_sorted_vec().into_iter();
    hits.map(|Reverse(found)| Hit { passage: rows.passage(found.row), score: found.score }).collect()
}
