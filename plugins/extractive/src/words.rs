//! Words that carry meaning, as stems, and how much each one tells.

use std::collections::{HashMap, HashSet};

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// A language by which words are brought to their stems; an unknown one leaves them as they are.
pub(crate) struct Language {
    stemmer: Option<Stemmer>,
    stop_words: HashSet<String>,
}

/// What questions are made of beside the usual function words, by language: it names no subject.
const OF_QUESTIONS: &[(&str, &str)] = &[
    (
        "en",
        "can could would should may might must shall do does did want need get got please tell us let help know like how what",
    ),
    (
        "fr",
        "comment pourquoi quand combien quoi où quel quelle quels quelles lequel puis peux peut pouvez pouvons peuvent dois doit devez faut faire fait veux veut voulez voudrais plaît est-ce qu'est-ce svp cela ça si plus sert servent",
    ),
    (
        "de",
        "wie was wo wann warum wieso weshalb wer wen wem welche welcher welches kann kannst können könnte muss müssen soll sollte möchte will wollen darf dürfen bitte gibt geht mach mache machen man lassen",
    ),
    (
        "es",
        "cómo qué cuándo dónde cuánto cuánta cuántos cuántas cuál cuáles quién puedo puede pueden podría debo debe hay hacer hago quiero quisiera necesito favor se",
    ),
    ("it", "come cosa quando dove quanto quale quali perché posso può potrei devo deve fare voglio vorrei favore"),
    ("nl", "hoe wat wanneer waar waarom welke kan kunnen moet moeten mag wil willen graag"),
    ("pt", "como que quando onde quanto qual quais porque posso pode devo deve fazer quero gostaria favor"),
];

impl Language {
    /// The language of this ISO 639-1 code.
    pub fn of(code: &str) -> Self {
        let usual = stop_words::lookup(code).unwrap_or_default().iter().copied();
        let asking = OF_QUESTIONS.iter().filter(|(of, _)| *of == code).flat_map(|(_, words)| words.split(' '));
        let stop_words = usual.chain(asking).map(fold).collect();
        Self { stemmer: algorithm(code).map(Stemmer::create), stop_words }
    }

    /// The stems of the words that carry meaning, in order.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let words = text.unicode_words().flat_map(|word| word.split(['.', '\'', '’', ':'].as_slice()));
        let carries = |word: &&str| {
            let is_number = word.chars().all(|c| c.is_ascii_digit());
            (is_number || word.chars().count() > 1) && !self.stop_words.contains(&fold(word))
        };
        words.filter(carries).map(|word| self.stem(word)).collect()
    }

    fn stem(&self, word: &str) -> String {
        let lower = word.to_lowercase();
        let stem = self.stemmer.as_ref().map_or_else(|| lower.clone(), |stemmer| stemmer.stem(&lower).into_owned());
        fold(&stem)
    }
}

/// Lower case without accents: `Größe` and `grosse`, `día` and `dia` are the same.
fn fold(word: &str) -> String {
    let decomposed = word.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>();
    decomposed.to_lowercase().replace('ß', "ss")
}

fn algorithm(code: &str) -> Option<Algorithm> {
    Some(match code {
        "ar" => Algorithm::Arabic,
        "da" => Algorithm::Danish,
        "de" => Algorithm::German,
        "el" => Algorithm::Greek,
        "en" => Algorithm::English,
        "es" => Algorithm::Spanish,
        "fi" => Algorithm::Finnish,
        "fr" => Algorithm::French,
        "hu" => Algorithm::Hungarian,
        "it" => Algorithm::Italian,
        "nl" => Algorithm::Dutch,
        "no" | "nb" | "nn" => Algorithm::Norwegian,
        "pt" => Algorithm::Portuguese,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "sv" => Algorithm::Swedish,
        "ta" => Algorithm::Tamil,
        "tr" => Algorithm::Turkish,
        _ => return None,
    })
}

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
    use super::*;

    fn set(language: &Language, text: &str) -> HashSet<String> {
        language.terms(text).into_iter().collect()
    }

    #[test]
    fn inflections_of_a_word_are_one_term() {
        for (code, one, other) in [
            ("en", "installing packages", "installed package"),
            ("fr", "les commandes annulées", "annuler une commande"),
            ("de", "die Verträge kündigen", "kündige den Vertrag"),
            ("es", "facturas pagadas", "pagar la factura"),
        ] {
            let language = Language::of(code);
            assert_eq!(set(&language, one), set(&language, other), "{code}");
        }
    }

    #[test]
    fn what_only_makes_a_question_carries_nothing() {
        for (code, question) in [
            ("en", "How can I do this, please?"),
            ("fr", "Comment est-ce que je peux faire cela ?"),
            ("de", "Wie kann man das bitte machen?"),
            ("es", "¿Cómo se puede hacer esto, por favor?"),
        ] {
            assert!(Language::of(code).terms(question).is_empty(), "{:?}", Language::of(code).terms(question));
        }
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

    #[test]
    fn an_unknown_language_compares_words_as_they_are() {
        let unknown = Language::of("xx");
        assert_eq!(unknown.terms("Ĝis revido, Größe"), ["gis", "revido", "grosse"]);
    }
}
