//! What rows can be filtered by, each combination kept once.

use std::collections::HashMap;

use consigne_sdk::{Facts, Filter};

/// Bytes of one combination: twice the facts, their places in the tables, and a tag or two.
const BYTES: usize = 2 * size_of::<Facts>() + 64;

/// The combinations of one partition, by number.
#[derive(Default)]
pub(crate) struct KnownFacts {
    all: Vec<Facts>,
    numbers: HashMap<Facts, u32>,
}

impl KnownFacts {
    /// The number of these facts.
    pub fn number(&mut self, facts: Facts) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.numbers.entry(facts.clone()).or_insert(next);
        if number == next {
            self.all.push(facts);
        }
        number
    }

    /// Whether a row with a number may be found, by number; `None` where every row may.
    pub fn admitted(&self, filter: &Filter) -> Option<Vec<bool>> {
        (!filter.is_open()).then(|| self.all.iter().map(|facts| filter.admits(facts)).collect())
    }

    /// Forgets what no row has any more, and renumbers the rows.
    pub fn keep_used<'a>(&mut self, rows: impl ExactSizeIterator<Item = &'a mut u32>) {
        if self.all.len() < 2 * rows.len() + 64 {
            return;
        }
        let before = std::mem::take(&mut self.all);
        self.numbers.clear();
        for number in rows {
            *number = self.number(before[*number as usize].clone());
        }
        self.numbers.shrink_to_fit();
    }

    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        self.all.len() * BYTES
    }
}
