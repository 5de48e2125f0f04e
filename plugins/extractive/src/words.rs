//! How much each word of a question tells.

use std::collections::{HashMap, HashSet};

/// The question's terms, each with its weight.
pub(crate) struct Asked {
    weights: HashMap<String, f32>,
    total: f32,
}

/// Shortest word that counts as part of a compound, in letters.
const SHORTEST_PART: usize = 5;

/// What a part of a compound is worth: `Kündigung` in `Kündigungsfrist`.
const WORTH_OF_PART: f32 = 0.6;

impl Asked {
    /// Weighs `terms` by how rare they are among the units: 1 and the idf of BM25. The 1 keeps the subject in the
    /// count, which every unit names because the passages were searched for it.
    pub fn new<'a>(terms: &[String], units: impl Iterator<Item = &'a HashSet<String>> + Clone) -> Self {
        let count = units.clone().count() as f32;
        let weight = |term: &String| {
            let with = units.clone().filter(|unit| worth(term, unit) > 0.0).count() as f32;
            1.0 + (1.0 + (count - with + 0.5) / (with + 0.5)).ln()
        };
        let weights: HashMap<String, f32> = terms.iter().map(|term| (term.clone(), weight(term))).collect();
        let total = weights.values().sum();
        Self { weights, total }
    }

    /// The share of the question's weight that these terms carry, 0 to 1.
    pub fn covered_by(&self, terms: &HashSet<String>) -> f32 {
        if self.total == 0.0 {
            return 0.0;
        }
        self.weights.iter().map(|(term, weight)| weight * worth(term, terms)).sum::<f32>() / self.total
    }
}

/// 1 where the term is there, less where it is part of a compound or a compound of it.
fn worth(term: &str, terms: &HashSet<String>) -> f32 {
    if terms.contains(term) {
        return 1.0;
    }
    let is_part = |part: &str, whole: &str| {
        part.chars().count() >= SHORTEST_PART && (whole.starts_with(part) || whole.ends_with(part))
    };
    if terms.iter().any(|other| is_part(term, other) || is_part(other, term)) { WORTH_OF_PART } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use consigne_sdk::words::Language;

    use super::*;

    fn set(language: &Language, text: &str) -> HashSet<String> {
        language.terms(text).into_iter().collect()
    }

    #[test]
    fn a_rare_word_weighs_more_than_one_that_every_unit_has() {
        let language = Language::of("en");
        let units = ["invoice", "invoice and refund", "invoice of May"].map(|text| set(&language, text));
        let asked = Asked::new(&language.terms("refund invoice"), units.iter());
        assert!(asked.covered_by(&set(&language, "refund")) > asked.covered_by(&set(&language, "invoice")));
        assert_eq!(asked.covered_by(&units[1]), 1.0);
        assert_eq!(asked.covered_by(&HashSet::new()), 0.0);
    }

    #[test]
    fn part_of_a_compound_counts_in_part() {
        let german = Language::of("de");
        let units = [set(&german, "Die Kündigungsfrist beträgt drei Monate"), set(&german, "Kündigung")];
        let asked = Asked::new(&german.terms("Kündigung?"), units.iter());
        assert_eq!(asked.covered_by(&units[0]), WORTH_OF_PART);
    }
}
