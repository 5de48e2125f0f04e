//! Pairs of a question and its answer: each is a passage of its own, under its question.

use super::collect::Collector;
use super::{BlockKind, ParseFailure, text};

/// The level of a question among headings.
const LEVEL: u8 = 2;

/// What columns and keys with questions are called, in lower case and without what parts words.
const QUESTIONS: &[&str] = &["question", "questions", "q", "frage", "pregunta", "domanda", "vraag", "pergunta"];
/// What those with answers are called.
const ANSWERS: &[&str] = &[
    "answer",
    "answers",
    "a",
    "response",
    "reply",
    "antwort",
    "réponse",
    "reponse",
    "respuesta",
    "risposta",
    "antwoord",
    "resposta",
];

/// Whether this names a question.
pub fn is_question(name: &str) -> bool {
    QUESTIONS.contains(&plain(name).as_str())
}

/// Whether this names an answer.
pub fn is_answer(name: &str) -> bool {
    ANSWERS.contains(&plain(name).as_str())
}

/// The columns of question and answer, where a header names one of each.
pub fn columns(header: &[String]) -> Option<(usize, usize)> {
    let only = |is: fn(&str) -> bool| {
        let mut found = header.iter().enumerate().filter(|(_, name)| is(name)).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    Some((only(is_question)?, only(is_answer)?))
}

/// Writes a row of a table of pairs; what its other columns say follows the answer.
pub fn write_row(
    header: &[String],
    row: &[String],
    (question, answer): (usize, usize),
    out: &mut Collector,
) -> Result<(), ParseFailure> {
    let cell = |at: usize| row.get(at).map(String::as_str).unwrap_or_default();
    write(cell(question), cell(answer), out)?;
    let others = header.iter().zip(row).enumerate().filter(|(at, _)| *at != question && *at != answer);
    for (_, (name, value)) in others.filter(|(_, (_, value))| !value.is_empty()) {
        out.push(BlockKind::ListItem, &format!("{name}: {value}"))?;
    }
    Ok(())
}

/// Writes a pair.
pub fn write(question: &str, answer: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    out.part();
    out.push(BlockKind::Heading(LEVEL), question)?;
    text::read(answer, out)
}

fn plain(name: &str) -> String {
    name.trim().trim_end_matches([':', '?']).to_lowercase().replace([' ', '_', '-'], "")
}
