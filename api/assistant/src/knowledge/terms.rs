//! The words of passages and questions, as numbers.
//!
//! A passage's words are brought to their stems by its language and turned into numbers by a hash under the workspace's
//! key, so that neither the database nor an index ever sees a word. They weigh there as BM25 says (Robertson and Zaragoza,
//! 2009), with a fixed average length, so that a passage's weights do not depend on the other passages. How telling a
//! word is (its idf) weighs the question's words, from the counts of [`super::lexicon`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use consigne_foundation::{Error, ErrorKind, Result, vault::TermNumbers};
use consigne_sdk::{
    Term,
    words::{Language, words_of},
};

/// How soon more of the same word stops to count.
const SATURATION: f32 = 1.2;
/// How much a long passage pays for its length.
const LENGTH: f32 = 0.75;
/// Words that carry meaning in a usual passage.
const USUAL_WORDS: f32 = 80.0;

/// Bytes of a term as it is stored.
const STORED: usize = 5;

/// A passage's terms and how often each comes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PassageTerms {
    words: u32,
    counts: BTreeMap<u32, u8>,
}

impl PassageTerms {
    /// The terms of a text.
    pub fn of(text: &str, language: &Language, numbers: &TermNumbers) -> Self {
        let mut terms = Self::default();
        for word in language.terms(text) {
            terms.words = terms.words.saturating_add(1);
            let count = terms.counts.entry(numbers.of(&word)).or_default();
            *count = count.saturating_add(1);
        }
        terms
    }

    /// The number of each term.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.counts.keys().copied()
    }

    /// The terms with their weight in this passage, at most [`most_weight`].
    pub fn weighed(&self) -> Vec<Term> {
        let stretch = SATURATION * (1.0 - LENGTH + LENGTH * self.words as f32 / USUAL_WORDS);
        let weight = |count: u8| f32::from(count) * most_weight() / (f32::from(count) + stretch);
        self.counts.iter().map(|(number, count)| Term { number: *number, weight: weight(*count) }).collect()
    }

    /// As they are stored: words in all, then each term's number and count, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + STORED * self.counts.len());
        bytes.extend(self.words.to_le_bytes());
        for (number, count) in &self.counts {
            bytes.extend(number.to_le_bytes());
            bytes.push(*count);
        }
        bytes
    }

    /// What [`PassageTerms::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = || Error::new(ErrorKind::Corrupt, "The terms of a passage are not what was stored.");
        let (words, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
        let (terms, left) = rest.as_chunks::<STORED>();
        if !left.is_empty() {
            return Err(broken());
        }
        let counts = terms.iter().map(|[a, b, c, d, count]| (u32::from_le_bytes([*a, *b, *c, *d]), *count)).collect();
        Ok(Self { words: u32::from_le_bytes(*words), counts })
    }
}

/// The most that a term weighs in a passage.
fn most_weight() -> f32 {
    SATURATION + 1.0
}

/// The words of a question that carry meaning, each once: the numbers of its stem in each of the languages, because a
/// passage is stemmed by its own. The question's language decides what carries meaning; where it is not known, all of
/// them have to agree.
pub(crate) fn question_words(
    text: &str,
    spoken: Option<&str>,
    others: &[String],
    numbers: &TermNumbers,
) -> Vec<BTreeSet<u32>> {
    let others = others.iter().map(String::as_str).filter(|code| Some(*code) != spoken);
    let languages: Vec<Language> = spoken.into_iter().chain(others).map(Language::of).collect();
    let mut words: Vec<BTreeSet<u32>> = Vec::new();
    for word in words_of(text) {
        let stems: Vec<Option<String>> = languages.iter().map(|language| language.term(&word)).collect();
        let carries = if spoken.is_some() { stems[0].is_some() } else { stems.iter().all(Option::is_some) };
        let of_word: BTreeSet<u32> = stems.iter().flatten().map(|stem| numbers.of(stem)).collect();
        if carries && !of_word.is_empty() && !words.contains(&of_word) {
            words.push(of_word);
        }
    }
    words
}

/// The question's terms, weighed so that a passage with all of its words adds up to `most` at the very most. A word tells
/// the more the fewer of the `passages` have it (idf); one that none has still counts in the sum, so that a question
/// whose words are mostly foreign to the knowledge is not decided by the one that is not.
pub(crate) fn weigh(words: &[BTreeSet<u32>], having: &HashMap<u32, i64>, passages: i64, most: f32) -> Vec<Term> {
    // A count that is behind never makes a word rarer than none.
    let passages = having.values().copied().max().unwrap_or(0).max(passages).max(0);
    let idf = |number: &u32| {
        let with = having.get(number).copied().unwrap_or(0).clamp(0, passages) as f32;
        (1.0 + (passages as f32 - with + 0.5) / (with + 0.5)).ln()
    };
    let unknown = (1.0 + (passages as f32 + 0.5) / 0.5).ln();
    let of_word = |word: &BTreeSet<u32>| {
        let known = word.iter().filter(|number| having.contains_key(number));
        known.map(idf).reduce(f32::max).unwrap_or(unknown)
    };
    let all: f32 = words.iter().map(of_word).sum::<f32>() * most_weight();
    if all <= 0.0 {
        return Vec::new();
    }
    // Two words may share a stem in some language; it counts once.
    let terms: BTreeSet<u32> = words.iter().flatten().copied().filter(|number| having.contains_key(number)).collect();
    terms.into_iter().map(|number| Term { number, weight: most * idf(&number) / all }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(numbers: &[u32]) -> Vec<BTreeSet<u32>> {
        numbers.iter().map(|number| BTreeSet::from([*number])).collect()
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let terms = PassageTerms { words: 70_000, counts: BTreeMap::from([(3, 1), (u32::MAX, 255)]) };
        assert_eq!(PassageTerms::from_bytes(&terms.to_bytes()).unwrap(), terms);
        assert!(PassageTerms::from_bytes(&terms.to_bytes()[1..]).is_err());
        assert!(PassageTerms::from_bytes(&[]).is_err());
    }

    #[test]
    fn a_word_weighs_more_in_a_short_passage_and_less_each_time_it_comes_again() {
        let weight = |words, count| PassageTerms { words, counts: BTreeMap::from([(1, count)]) }.weighed()[0].weight;
        assert!(weight(20, 1) > weight(200, 1));
        assert!(weight(80, 2) - weight(80, 1) > weight(80, 3) - weight(80, 2));
        assert!(weight(1, 255) <= most_weight());
        assert!(most_weight() <= consigne_sdk::MOST_TERM_WEIGHT);
    }

    #[test]
    fn a_rare_word_weighs_more_and_all_together_no_more_than_agreed() {
        let having = HashMap::from([(1, 1), (2, 900)]);
        let terms = weigh(&words(&[1, 2]), &having, 1_000, 0.2);
        assert!(terms[0].weight > 10.0 * terms[1].weight, "{terms:?}");
        let sum: f32 = terms.iter().map(|term| term.weight * most_weight()).sum();
        assert!((sum - 0.2).abs() < 1e-6);
    }

    #[test]
    fn words_that_the_knowledge_does_not_have_make_the_others_count_less() {
        let having = HashMap::from([(1, 5)]);
        let alone = weigh(&words(&[1]), &having, 1_000, 0.2)[0].weight;
        let among = weigh(&words(&[1, 8, 9]), &having, 1_000, 0.2)[0].weight;
        assert!(among < alone / 3.0);
        assert!(weigh(&words(&[8]), &having, 1_000, 0.2).is_empty());
        assert!(weigh(&[], &having, 0, 0.2).is_empty());
        let behind = weigh(&words(&[1]), &having, -40, 0.2);
        assert!(behind.iter().all(|term| term.weight.is_finite() && term.weight >= 0.0), "{behind:?}");
    }
}
