//! Words that carry meaning, as stems: what the host looks passages up by, and what a model may compare texts by.

use std::{borrow::Cow, collections::HashSet};

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// A language by which words are brought to their stems; an unknown one leaves them as they are.
pub struct Language {
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
        words_of(text).filter_map(|word| self.term(&word)).collect()
    }

    /// The stem of a word of [`words_of`], where it carries meaning.
    pub fn term(&self, word: &str) -> Option<String> {
        let is_number = word.chars().all(|c| c.is_ascii_digit());
        let carries = (is_number || word.chars().count() > 1) && !self.stop_words.contains(&fold(word));
        carries.then(|| self.stem(word))
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

/// The words of a text, in order. Signs that stand for syllables or words (Han, Hiragana) come two and two, behind the
/// others.
pub fn words_of(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let words = text.unicode_words().flat_map(|word| word.split(['.', '\'', '’', ':'].as_slice()));
    words.map(Cow::Borrowed).chain(pairs_of_signs(text).map(Cow::Owned))
}

/// Each two signs that stand side by side, of scripts that put no space between words.
fn pairs_of_signs(text: &str) -> impl Iterator<Item = String> {
    let is_sign = |c: char| matches!(c, '\u{3041}'..='\u{309F}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}');
    let next = text.chars().skip(1);
    text.chars().zip(next).filter(move |(a, b)| is_sign(*a) && is_sign(*b)).map(|(a, b)| [a, b].iter().collect())
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
    fn signs_without_spaces_come_two_and_two() {
        assert_eq!(Language::of("zh").terms("退款政策"), ["退款", "款政", "政策"]);
    }

    #[test]
    fn an_unknown_language_compares_words_as_they_are() {
        let unknown = Language::of("xx");
        assert_eq!(unknown.terms("Ĝis revido, Größe"), ["gis", "revido", "grosse"]);
    }
}
