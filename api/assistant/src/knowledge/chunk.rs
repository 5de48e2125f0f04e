//! Blocks into chunks: the passages that are embedded, searched and cited.
//!
//! Blocks become units that are not parted without need (a sentence, a line of code, a row of a table), units
//! become sections under their headings, sections are packed to the target size. Sizes are the embedding model's own
//! tokens and include the heading path, since it is embedded with the text.
//!
//! Invariants, as absences:
//! - No chunk holds text of two parts of a document (two slides, two pairs of question and answer), nor of two rows of a
//!   sheet.
//! - No text is lost: every sentence of the blocks is in some chunk's text or headings.
//! - No chunk is above the smaller of the options' and the model's maximum, by the model's own count.
//! - No choice depends on anything but blocks, options and counts: the same document gives the same chunks.

mod counts;
mod pack;
mod sections;
mod units;

#[cfg(test)]
mod tests;

use consigne_sdk::{Embedder, Result};
use serde::{Deserialize, Serialize};

use super::language;
use super::parse::Block;
use counts::Counts;
use pack::Draft;

/// Between the headings of a path, in [`Chunk::embedded_text`].
const PATH: &str = " > ";
/// Tokens left free below the model's maximum, for its prefix and special tokens.
const RESERVE: usize = 8;

/// A passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// What is shown and cited.
    pub text: String,
    /// The headings it stands under, outermost first.
    pub headings: Vec<String>,
    /// The page it begins on, from 1.
    pub page: Option<u32>,
    /// Tokens of [`Chunk::embedded_text`], without special tokens.
    pub tokens: usize,
    /// ISO 639-1, where its own text is plain enough; otherwise the document's is the better guess.
    pub language: Option<String>,
}

impl Chunk {
    /// What is embedded: the heading path, then the text.
    pub fn embedded_text(&self) -> String {
        embedded_text(&self.headings, &self.text)
    }
}

/// How large chunks are, in tokens of the embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkOptions {
    /// What a chunk is filled to.
    pub target: usize,
    /// What a chunk may reach so that code, a table or a sentence stays whole.
    pub max: usize,
    /// Sentences at the end of a chunk that the next one of the section begins with.
    pub overlap_sentences: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self { target: 256, max: 480, overlap_sentences: 1 }
    }
}

impl ChunkOptions {
    /// Within what the model takes, and consistent.
    fn within(self, model_max: usize) -> Self {
        let max = self.max.min(model_max.saturating_sub(RESERVE)).max(1);
        Self { target: self.target.clamp(1, max), max, ..self }
    }
}

/// Chunks of a document, in reading order.
///
/// # Errors
/// Those of [`Embedder::count_tokens`].
pub async fn chunk(blocks: &[Block], counter: &dyn Embedder, options: ChunkOptions) -> Result<Vec<Chunk>> {
    let options = options.within(counter.model().max_tokens);
    let mut counts = Counts::new(counter);
    let sections = sections::of_blocks(blocks, &mut counts, options).await?;
    let mut drafts: Vec<Draft> = sections.into_iter().flat_map(|section| pack::section(section, options)).collect();
    // Counts of parts add up to nearly the count of the whole, not always to the token: what is over is halved.
    loop {
        let uncounted: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| draft.tokens.is_none()).collect();
        if uncounted.is_empty() {
            break;
        }
        let texts = uncounted.iter().map(|draft| embedded_text(&draft.headings, &draft.text())).collect();
        for (draft, tokens) in uncounted.into_iter().zip(counts.once(texts).await?) {
            draft.tokens = Some(tokens);
        }
        let is_over = |draft: &Draft| draft.tokens.is_some_and(|tokens| tokens > options.max);
        drafts =
            drafts.into_iter().flat_map(|draft| if is_over(&draft) { draft.halves() } else { vec![draft] }).collect();
    }
    Ok(drafts.into_iter().map(finish).filter(|chunk| !chunk.text.trim().is_empty()).collect())
}

fn finish(draft: Draft) -> Chunk {
    let text = draft.text();
    let language = language::detect(&text).map(str::to_owned);
    Chunk { page: draft.page(), tokens: draft.tokens.unwrap_or_default(), text, language, headings: draft.headings }
}

/// What is embedded of a passage, and where its words are.
pub(crate) fn embedded_text(headings: &[String], text: &str) -> String {
    if headings.is_empty() { text.to_owned() } else { format!("{}\n{text}", headings.join(PATH)) }
}
