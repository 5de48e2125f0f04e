//! Follow-up questions: "and how much is it?" means nothing without what was asked before.
//!
//! A question leans on the earlier one when it begins with a conjunction, is very short, or points with a pronoun and
//! names nothing itself. Then a model that can write is asked to make it stand alone; without one, or where that fails,
//! the earlier question is put before it.

use std::time::Duration;

use tokio::time::timeout;

use super::prompt::{self, Turn};
use crate::routes::ChatRoutes;

/// How long a visitor waits for a rewritten question; after it, the search makes do.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_TOKENS: u32 = 120;
/// A rewritten question is one: what is longer, or of several lines, is something else.
const LONGEST: usize = 600;

/// Words that begin a question which goes on from the last one.
const CONJUNCTIONS: &[&str] = &[
    "and", "but", "or", "then", "so", "also", "et", "mais", "ou", "alors", "donc", "und", "aber", "oder", "dann", "y",
    "e", "pero", "o", "entonces", "ma", "mas", "en", "maar",
];

/// Words that point at something said before, and are nothing else in the languages we meet.
const POINTERS: &[&str] = &[
    "it", "its", "they", "them", "that", "this", "those", "these", "ça", "cela", "celui-ci", "celle-ci", "dies",
    "dieses", "davon", "damit", "dafür", "ello", "eso", "esto", "aquello",
];

/// Words that point in one language and are an article or a verb in another.
const POINTERS_OF: &[(&str, &[&str])] =
    &[("de", &["es", "er", "sie"]), ("fr", &["il", "elle", "lui"]), ("es", &["lo"])];

/// The longest question, in words, that can lean on another by a pronoun.
const SHORT: usize = 8;

/// Whether the question is searched with as it is.
pub(crate) fn stands_alone(question: &str, language: Option<&str>, history: &[Turn]) -> bool {
    history.is_empty() || !leans_on_history(question, language)
}

/// The question to search with, made by the model where there is one that writes.
pub(crate) async fn rewritten(model: &ChatRoutes, question: &str, language: Option<&str>, history: &[Turn]) -> String {
    if !stands_alone(question, language, history) {
        let asked = model.say(prompt::stand_alone(history, question), MOST_TOKENS);
        if let Ok(Ok(Some(said))) = timeout(PATIENCE, asked).await
            && let Some(said) = one_question(&said)
        {
            return said.to_owned();
        }
    }
    stand_alone(question, language, history.last().map(|turn| turn.question.as_str()))
}

/// What a model said, where it can be a question.
fn one_question(said: &str) -> Option<&str> {
    let said = said.trim();
    (!said.is_empty() && said.len() <= LONGEST && !said.contains('\n')).then_some(said)
}

/// The question to search with: the new one, after the earlier one where it leans on it.
pub fn stand_alone(question: &str, language: Option<&str>, earlier: Option<&str>) -> String {
    match earlier {
        Some(earlier) if leans_on_history(question, language) => format!("{earlier} {question}"),
        _ => question.to_owned(),
    }
}

/// Whether the question needs what was said before.
pub fn leans_on_history(question: &str, language: Option<&str>) -> bool {
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|w| !w.is_empty()).collect();
    let Some(first) = words.first() else { return false };
    let own = POINTERS_OF.iter().find(|(code, _)| Some(*code) == language).map_or(&[][..], |(_, words)| words);
    words.len() <= 2
        || (CONJUNCTIONS.contains(first) && words.len() <= 2 * SHORT)
        || (words.len() <= SHORT && words.iter().any(|w| POINTERS.contains(w) || own.contains(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_is_taken_for_a_rewritten_question() {
        assert_eq!(one_question(" How much is a repair?\n"), Some("How much is a repair?"));
        assert_eq!(one_question("Sure!\nHow much is a repair?"), None);
        assert_eq!(one_question(" "), None);
        assert_eq!(one_question(&"long ".repeat(200)), None);
    }

    #[test]
    fn a_question_that_leans_takes_the_earlier_one_along() {
        for (language, question) in [
            ("en", "and how much is it?"),
            ("en", "How do I install it?"),
            ("fr", "Et combien ça coûte ?"),
            ("de", "Wie installiere ich es?"),
            ("es", "¿y cuánto cuesta?"),
            ("en", "Why?"),
        ] {
            assert_eq!(
                stand_alone(question, Some(language), Some("Before?")),
                format!("Before? {question}"),
                "{question}"
            );
        }
    }

    #[test]
    fn a_question_that_stands_alone_stays_alone() {
        for (language, question) in [
            ("en", "How do I declare a query parameter with a default value?"),
            ("fr", "Comment déclarer un paramètre de requête obligatoire ?"),
            ("de", "Wie starte ich den Server im Entwicklungsmodus?"),
            ("es", "¿Qué es FastAPI exactamente?"),
        ] {
            assert_eq!(stand_alone(question, Some(language), Some("Before?")), question);
        }
        assert_eq!(stand_alone("and how much is it?", Some("en"), None), "and how much is it?");
    }
}
