//! How well each unit answers, and whether the passages answer at all.
//!
//! Two kinds of evidence are weighed: nearness of meaning, by the embedder's cosines, and words in common, by stems
//! weighted with their rarity. Cosines are read relative to the policy's threshold, because their range depends on the
//! model: 0 at the threshold, 1 where the texts are the same.

use consigne_sdk::{EmbedKind, Embedder, PluginError, PluginErrorKind, Result};

use crate::{question::Material, units::UnitKind};

/// Sentences that are embedded for one question: about 0.2 s of one core.
const MOST_CANDIDATES: usize = 24;

/// Shorter units say too little to be an answer, in characters.
const SHORTEST: usize = 12;

/// What a passage's rank is worth in words, when candidates are chosen before any is embedded.
const RANK_IN_WORDS: f32 = 0.06;

/// What words in common are worth against a cosine, relative to the threshold.
const WORDS: f32 = 0.6;

/// What the passage's own cosine is worth beside the sentence's.
const PASSAGE: f32 = 0.5;

/// What the question's own language is worth: enough to decide between a text and its translation.
const SAME_LANGUAGE: f32 = 0.1;

/// A unit that was looked at closely.
pub(crate) struct Candidate {
    /// Which passage, counted from 0.
    pub passage: usize,
    /// Which of its units, counted from 0.
    pub unit: usize,
    /// How well it answers; comparable within one question.
    pub score: f32,
    /// Its cosine relative to the threshold.
    pub nearness: f32,
}

/// The units that may answer, best first.
///
/// # Errors
/// Those of the embedder.
pub(crate) async fn weigh(material: &Material, question: &str, threshold: f32, embedder: &dyn Embedder) -> Result<Vec<Candidate>> {
    let places = preselect(material);
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let asked = one(embedder.embed(EmbedKind::Question, vec![question.to_owned()]).await?)?;
    let texts = places.iter().map(|place| text_of(material, *place)).collect();
    let vectors = embedder.embed(EmbedKind::Passage, texts).await?;
    let mut candidates: Vec<Candidate> = places
        .iter()
        .zip(&vectors)
        .map(|((passage, unit), vector)| {
            let nearness = relative(cosine(&asked, vector), threshold);
            let from = &material.passages[*passage];
            let same_language = from.language.is_some() && from.language == material.language;
            let score = nearness
                + WORDS * from.units[*unit].coverage
                + PASSAGE * relative(from.score, threshold)
                + if same_language { SAME_LANGUAGE } else { 0.0 };
            Candidate { passage: *passage, unit: *unit, score, nearness }
        })
        .collect();
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.passage, a.unit).cmp(&(b.passage, b.unit))));
    Ok(candidates)
}
