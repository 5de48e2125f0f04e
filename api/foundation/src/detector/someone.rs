//! Whether a text speaks of somebody at all: a special category is personal data only where it is some person's (GDPR art.
//! 4(1)). "Can pregnant women fly?" is nobody's; "I am pregnant" is.

use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Span};

/// Words for the writer and for a third person, in four languages. What also means something else is left out: the German
/// "Sie" and "sein", the Spanish "su" and "son", the French "il". In Spanish the verb says who.
const WORDS: &str = "i i'm i've i'd me my mine myself we our us he she him her his hers \
     je moi mon ma mes nous notre nos elle lui sa ses \
     ich mir mich mein meine meinem meinen meiner meines wir uns unser unsere unserem unseren unserer er ihm ihn seine \
     seinem seinen seiner \
     yo mi mí mis conmigo nosotros nuestra nuestro él ella tengo tuve soy estoy padezco sufro voto voté";

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let words: Vec<String> = WORDS.split_whitespace().map(|word| regex::escape(word).replace('\'', "['’]")).collect();
    Regex::new(&format!(r"(?i)\b(?:{}|j['’]\p{{L}}+|m['’]\p{{L}}+)\b", words.join("|"))).expect("a pattern")
});

/// Whether the text speaks of its writer or of somebody else, by a word or by a name that was found in it.
pub fn is_about_someone(text: &str, found: &[Span]) -> bool {
    found.iter().any(|span| span.kind == Kind::Name) || PATTERN.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_about_the_matter_is_nobodys() {
        for text in [
            "Can pregnant women fly?",
            "Les femmes enceintes peuvent-elles voyager ?",
            "Dürfen Schwangere fliegen?",
            "¿Pueden volar las mujeres embarazadas?",
        ] {
            assert!(!is_about_someone(text, &[]), "{text}");
        }
    }

    #[test]
    fn a_sentence_about_the_writer_or_another_person_is_somebodys() {
        for text in [
            "I am pregnant, can I fly?",
            "I’m pregnant",
            "My wife has cancer",
            "J'ai le diabète",
            "Elle est enceinte",
            "Ich bin schwanger",
            "Er hat Krebs",
            "Estoy embarazada",
        ] {
            assert!(is_about_someone(text, &[]), "{text}");
        }
    }
}
