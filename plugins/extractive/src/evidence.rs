//! How well each unit answers, and whether the passages answer at all.
//!
//! Two kinds of evidence are weighed: nearness of meaning, by the embedder's cosines, and words in common, by stems
//! weighted with their rarity. Cosines are read relative to the policy's threshold, because their range depends on the
//! model: 0 at the threshold, 1 where the texts are the same.
//!
//! The numbers below were fitted with multilingual-e5-small and its threshold of .82 (`examples/calibrate.rs`). The
//! passage's cosine alone tells questions with an answer from those without by an area under the curve of .955, shared
//! words alone by .94, the sum that [`LEAST_EVIDENCE`] is held against by .984. What that means, in questions:
//!
//! | questions | answered, of those the passages answer | answered all the same |
//! |---|---|---|
//! | manual of FastAPI, four languages | 26 of 26 | 0 of 18 on other matters, 4 of 12 on what it does not cover |
//! | the same, passages in English alone | 17 of 17 | 0 of 10 |
//! | XQuAD en, de, es | .86, .87, .93 of 100 each | 0, 0, .03 on other matters; .07, .18 with only the answer gone |
//! | PIAF, short questions in French | .71 of 86 | .03 of 100 |
//! | XQuAD de and es, passages in English | .62 and .73 of 80 each | 0 of 160 |
//! | mtRAG, last turns without their history | .85 of 131 | .42 of 52 |
//!
//! So it is safe where the knowledge is about something else, and quotes what is nearest where the knowledge is about the
//! matter but lacks the very answer: that takes a reader, or a language model.

use consigne_sdk::{EmbedKind, Embedder, PluginError, PluginErrorKind, Result};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    question::{Material, Passage, Quotable},
    units::{Unit, UnitKind},
};

/// Units that are embedded for one question: about 0.2 s of one core.
const MOST_CANDIDATES: usize = 24;

/// Shorter units say too little to be an answer, in words, unless a question stands above them.
const SHORTEST: usize = 4;

/// What a passage's rank is worth in words, when candidates are chosen before any is embedded.
const RANK_IN_WORDS: f32 = 0.06;

/// What words in common are worth beside the nearness of a unit.
const WORDS: f32 = 0.6;

/// What the nearness of the whole passage is worth beside that of a unit, when units are compared.
const PASSAGE: f32 = 0.5;

/// By how much a text in another language than the question's looks farther away than its translation would: .045 in
/// cosine.
const ACROSS_LANGUAGES: f32 = 0.25;

/// What the question's own language is worth: enough to decide between a text and its translation.
const SAME_LANGUAGE: f32 = 0.25;

/// Evidence below this does not answer: nearness of the best passage, of the nearest unit, and [`WORDS`] of the best.
const LEAST_EVIDENCE: f32 = 0.58;

/// A unit that was looked at closely.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Which passage, counted from 0.
    pub passage: usize,
    /// Which of its units, counted from 0.
    pub unit: usize,
    /// How well it answers; comparable within one question.
    pub score: f32,
    /// Its cosine relative to the threshold.
    nearness: f32,
}

/// The units that may answer, best first. A unit has to be near to every way in which the question was asked.
///
/// # Errors
/// Those of the embedder.
pub(crate) async fn weigh(
    material: &Material,
    asked: Vec<String>,
    threshold: f32,
    embedder: &dyn Embedder,
) -> Result<Vec<Candidate>> {
    let places = preselect(material);
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let ways = asked.len();
    let asked = embedder.embed(EmbedKind::Question, asked).await?;
    let texts: Vec<String> =
        places.iter().map(|(passage, unit)| text_of(&material.passages[*passage].units[*unit])).collect();
    let vectors = embedder.embed(EmbedKind::Passage, texts).await?;
    if asked.len() != ways || asked.is_empty() || vectors.len() != places.len() {
        return Err(PluginError::new(
            PluginErrorKind::Internal,
            "the embedder gave another number of vectors than texts",
        ));
    }
    let mut candidates: Vec<Candidate> = places
        .iter()
        .zip(&vectors)
        .map(|((passage, unit), vector)| {
            let from = &material.passages[*passage];
            let near = |cosine: f32| nearness(material, from, cosine, threshold);
            let nearness = asked.iter().map(|way| near(cosine(way, vector))).sum::<f32>() / ways as f32;
            let own_language = if is_other_language(material, from) { 0.0 } else { SAME_LANGUAGE };
            let score = nearness + WORDS * from.units[*unit].coverage + PASSAGE * near(from.score) + own_language;
            Candidate { passage: *passage, unit: *unit, score, nearness }
        })
        .collect();
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.passage, a.unit).cmp(&(b.passage, b.unit))));
    Ok(candidates)
}

/// Those of the candidates that may be quoted; none where the passages do not answer the question.
///
/// By the policy nothing is quoted unless it, or the passage it stands in, reaches the threshold.
pub(crate) fn admit(material: &Material, mut candidates: Vec<Candidate>, threshold: f32) -> Vec<Candidate> {
    let of_passage = |passage: &Passage| nearness(material, passage, passage.score, threshold);
    candidates.retain(|c| c.nearness >= 0.0 || of_passage(&material.passages[c.passage]) >= 0.0);
    let Some(best) = candidates.first() else { return candidates };
    let passage = material.passages.iter().map(of_passage).fold(f32::MIN, f32::max);
    let unit = candidates.iter().map(|candidate| candidate.nearness).fold(f32::MIN, f32::max);
    let words = material.passages[best.passage].units[best.unit].coverage;
    if passage + unit + WORDS * words < LEAST_EVIDENCE {
        candidates.clear();
    }
    candidates
}

/// The units that share most words with the question, or stand in the best passages.
fn preselect(material: &Material) -> Vec<(usize, usize)> {
    let mut places: Vec<(f32, usize, usize)> = Vec::new();
    for (rank, passage) in material.passages.iter().enumerate() {
        for (at, quotable) in passage.units.iter().enumerate().filter(|(_, quotable)| can_answer(&quotable.unit)) {
            places.push((quotable.coverage - RANK_IN_WORDS * rank as f32, rank, at));
        }
    }
    places.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    places.into_iter().take(MOST_CANDIDATES).map(|(_, passage, unit)| (passage, unit)).collect()
}

fn can_answer(unit: &Unit) -> bool {
    let answers_heading = unit.heading.ends_with('?') && unit.text.contains(char::is_alphanumeric);
    let is_long = unit.text.unicode_words().nth(SHORTEST - 1).is_some();
    unit.kind != UnitKind::Code && !unit.text.ends_with('?') && (is_long || answers_heading)
}

/// What is embedded. "No, it is free." means something only behind its question.
fn text_of(quotable: &Quotable) -> String {
    let unit = &quotable.unit;
    if unit.heading.ends_with('?') { format!("{} {}", unit.heading, unit.text) } else { unit.text.clone() }
}

/// 0 at the threshold, 1 for the same text.
fn nearness(material: &Material, passage: &Passage, cosine: f32, threshold: f32) -> f32 {
    let across = if is_other_language(material, passage) { ACROSS_LANGUAGES } else { 0.0 };
    (cosine - threshold) / (1.0 - threshold).max(0.01) + across
}

fn is_other_language(material: &Material, passage: &Passage) -> bool {
    material.language.is_some() && passage.language.is_some() && passage.language != material.language
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
