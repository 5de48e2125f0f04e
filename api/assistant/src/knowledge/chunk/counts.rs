//! Token counts, each text counted once.

use std::collections::{HashMap, HashSet};

use consigne_sdk::{Embedder, Result};

/// Texts in one call.
const BATCH: usize = 256;

/// Counts so far.
pub struct Counts<'a> {
    counter: &'a dyn Embedder,
    known: HashMap<String, usize>,
}

impl<'a> Counts<'a> {
    /// None so far.
    pub fn new(counter: &'a dyn Embedder) -> Self {
        Self { counter, known: HashMap::new() }
    }

    /// Counts those of the texts that are not known yet.
    pub async fn learn(&mut self, texts: impl Iterator<Item = &str>) -> Result<()> {
        let mut asked = HashSet::new();
        let new: Vec<String> =
            texts.filter(|text| !self.known.contains_key(*text) && asked.insert(*text)).map(str::to_owned).collect();
        for batch in new.chunks(BATCH) {
            let counts = self.counter.count_tokens(batch.to_vec()).await?;
            self.known.extend(batch.iter().cloned().zip(counts));
        }
        Ok(())
    }

    /// Tokens of a text that was learnt.
    pub fn of(&self, text: &str) -> usize {
        self.known.get(text).copied().unwrap_or_default()
    }

    /// Tokens of texts that are not asked for again.
    pub async fn once(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        let mut counts = Vec::with_capacity(texts.len());
        let mut left = texts.into_iter().peekable();
        while left.peek().is_some() {
            let batch: Vec<String> = left.by_ref().take(BATCH).collect();
            counts.extend(self.counter.count_tokens(batch).await?);
        }
        Ok(counts)
    }
}
