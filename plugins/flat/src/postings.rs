//! Which rows have a term, and what it weighs there.
//!
//! A posting is 32 bits: the row in the upper 24, the weight in 256 steps in the lower 8.

use std::collections::HashMap;

use consigne_sdk::{MOST_TERM_WEIGHT, Term};

/// Rows that a posting can name.
pub(crate) const MOST_ROWS: usize = 1 << 24;

const STEPS: f32 = 255.0;

/// Bytes of a term beside its postings: its number, the list, and free places in the table.
const TERM_BYTES: usize = 64;

/// The postings of one partition.
#[derive(Default)]
pub(crate) struct Postings {
    lists: HashMap<u32, Vec<u32>>,
    bytes: usize,
}

impl Postings {
    /// Adds the terms of a row that has none yet.
    pub fn add(&mut self, row: usize, terms: &[Term]) {
        for term in terms {
            let list = self.lists.entry(term.number).or_default();
            let before = list.capacity();
            list.push(pack(row, term.weight));
            self.bytes += size_of::<u32>() * (list.capacity() - before) + if before == 0 { TERM_BYTES } else { 0 };
        }
    }

    /// Follows rows that moved: `to[row]` is where a row is now, `None` where it is gone.
    pub fn follow(&mut self, to: &[Option<u32>]) {
        self.lists.retain(|_, list| {
            list.retain_mut(|posting| match to.get((*posting >> 8) as usize).copied().flatten() {
                Some(row) => {
                    *posting = row << 8 | *posting & 0xFF;
                    true
                }
                None => false,
            });
            if list.capacity() > 2 * list.len() + 16 {
                list.shrink_to_fit();
            }
            !list.is_empty()
        });
        if self.lists.capacity() > 4 * self.lists.len() + 64 {
            self.lists.shrink_to_fit();
        }
        self.bytes = self.lists.values().map(|list| size_of::<u32>() * list.capacity() + TERM_BYTES).sum();
    }

    /// What the question's terms add to each of the first `rows` rows; `None` where no row has any of them.
    pub fn scores(&self, question: &[Term], rows: usize) -> Option<Vec<f32>> {
        let mut scores = None;
        for term in question {
            let Some(list) = self.lists.get(&term.number) else { continue };
            let scores = scores.get_or_insert_with(|| vec![0.0_f32; rows]);
            let step = term.weight * MOST_TERM_WEIGHT / STEPS;
            for posting in list {
                if let Some(score) = scores.get_mut((*posting >> 8) as usize) {
                    *score += (*posting & 0xFF) as f32 * step;
                }
            }
        }
        scores
    }

    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn pack(row: usize, weight: f32) -> u32 {
    let steps = (weight.clamp(0.0, MOST_TERM_WEIGHT) / MOST_TERM_WEIGHT * STEPS).round() as u32;
    (row as u32) << 8 | steps
}

/// The most bytes that this many new postings can add, however they fall.
pub(crate) fn most_bytes(postings: usize) -> usize {
    // A list grows by doubling, from four places.
    postings * (TERM_BYTES + 4 * size_of::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(number: u32, weight: f32) -> Term {
        Term { number, weight }
    }

    #[test]
    fn a_score_is_the_sum_of_the_products_of_shared_terms() {
        let mut postings = Postings::default();
        postings.add(0, &[term(1, 2.0), term(2, 1.0)]);
        postings.add(2, &[term(2, 4.0)]);
        let scores = postings.scores(&[term(1, 0.5), term(2, 0.25), term(9, 1.0)], 3).unwrap();
        let wanted = [1.25, 0.0, 1.0];
        assert!(scores.iter().zip(wanted).all(|(score, wanted)| (score - wanted).abs() < 0.01), "{scores:?}");
        assert!(postings.scores(&[term(9, 1.0)], 3).is_none());
    }

    #[test]
    fn rows_that_moved_are_followed_and_gone_ones_forgotten() {
        let mut postings = Postings::default();
        for row in 0..3 {
            postings.add(row, &[term(1, 1.0), term(10 + row as u32, 1.0)]);
        }
        postings.follow(&[None, Some(1), Some(0)]);
        assert_eq!(postings.lists.len(), 3);
        assert_eq!(postings.lists[&1].iter().map(|p| p >> 8).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(postings.lists[&12][0] >> 8, 0);
        postings.follow(&[None, None]);
        assert_eq!(postings.bytes(), 0);
    }
}
