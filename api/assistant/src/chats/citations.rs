//! Citations: what an answer rests on, checked before it is shown.
//!
//! A model writes `[2]` behind a statement. While the answer streams, [`MarkerFilter`] lets only numbers of passages
//! through that were given to the model. When it is complete, each number gets a quote, and the quote must stand in the
//! stored passage, read once more.

use std::collections::{BTreeMap, HashMap, HashSet};

use consigne_foundation::{
    ErrorKind, Result, Scope,
    id::{AnswerId, DocumentId, PassageId, SubjectId},
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    entity::{answers as answer_table, citations as table, passages},
    knowledge::{Excerpt, Found, sources::quarantine},
};

/// Longest quote, in characters.
const LONGEST_QUOTE: usize = 400;

/// A citation.
#[derive(Clone, PartialEq)]
pub struct Citation {
    /// The number in the text.
    pub index: i64,
    /// The document.
    pub document: DocumentId,
    /// The passage.
    pub passage: PassageId,
    /// The document's title; empty once withdrawn.
    pub title: String,
    /// What the passage says; empty once withdrawn.
    pub quote: String,
    /// Page or headings.
    pub location: Option<String>,
    /// Cosine of question and passage.
    pub score: f64,
    /// Whether the passage was deleted or replaced since, or its source is in quarantine.
    pub is_withdrawn: bool,
}

/// The citations of an answer's text: each number that stands in it and is given, with a quote of its passage.
pub(crate) fn cite(text: &str, excerpts: &[Excerpt]) -> Vec<Citation> {
    let mut cited: BTreeMap<usize, String> = BTreeMap::new();
    for (number, statement) in markers(text) {
        if (1..=excerpts.len()).contains(&number) {
            cited.entry(number).or_default().push_str(statement);
        }
    }
    cited
        .into_iter()
        .map(|(number, statements)| {
            let (found, quote) = best_part(&excerpts[number - 1], &statements);
            Citation {
                index: i64::try_from(number).unwrap_or(i64::MAX),
                document: found.document,
                passage: found.passage,
                title: found.title.clone(),
                quote,
                location: found.location(),
                score: f64::from(found.score),
                is_withdrawn: false,
            }
        })
        .collect()
}

/// The passage of an excerpt that says most of a statement, and the quote.
fn best_part<'a>(excerpt: &'a Excerpt, statement: &str) -> (&'a Found, String) {
    let words = words_of(statement);
    let said = |quote: &str| words_of(quote).iter().filter(|word| words.contains(word)).count();
    let quoted = excerpt.parts.iter().map(|part| (part, quote(&part.text, statement)));
    quoted.rev().max_by_key(|(_, quote)| said(quote)).expect("an excerpt has a passage")
}

/// Each `[n]` and the statement before it.
fn markers(text: &str) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let mut statement_from = 0;
    let mut at = 0;
    while let Some(open) = text[at..].find('[').map(|i| at + i) {
        let digits: String = text[open + 1..].chars().take_while(char::is_ascii_digit).collect();
        let close = open + 1 + digits.len();
        if !digits.is_empty() && text[close..].starts_with(']') {
            let statement = &text[statement_from..open];
            all.push((
                digits.parse().unwrap_or(0),
                if statement.trim().is_empty() { last_statement(&all, text) } else { statement },
            ));
            statement_from = close + 1;
            at = close + 1;
        } else {
            at = open + 1;
        }
    }
    all
}

/// `[1][2]`: both stand behind the same statement.
fn last_statement<'a>(earlier: &[(usize, &'a str)], text: &'a str) -> &'a str {
    earlier.last().map_or(&text[..0], |(_, statement)| statement)
}

/// The part of a passage that says most of a statement: a run of whole sentences, copied to the letter.
fn quote(passage: &str, statement: &str) -> String {
    let words = words_of(statement);
    let sentences: Vec<(usize, &str)> =
        passage.split_sentence_bound_indices().filter(|(_, s)| !s.trim().is_empty()).collect();
    let shared = |s: &str| words_of(s).iter().filter(|w| words.contains(w)).count();
    let Some((best, _)) = sentences.iter().enumerate().max_by_key(|(i, (_, s))| (shared(s), std::cmp::Reverse(*i)))
    else {
        return passage.chars().take(LONGEST_QUOTE).collect();
    };
    let (start, mut end) = (sentences[best].0, sentences[best].0 + sentences[best].1.len());
    for (at, sentence) in &sentences[best + 1..] {
        let next = at + sentence.len();
        if shared(sentence) * 2 < words_of(sentence).len() || passage[start..next].chars().count() > LONGEST_QUOTE {
            break;
        }
        end = next;
    }
    let quote = passage[start..end].trim();
    match quote.char_indices().nth(LONGEST_QUOTE) {
        Some((cut, _)) => quote[..cut].trim_end().to_owned(),
        None => quote.to_owned(),
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// Keeps the citations whose quote stands in the stored passage, as it is now, and whose source is not in quarantine.
pub(crate) async fn keep_true(
    tx: &WorkspaceTx,
    workspace_key: &Key,
    citations: Vec<Citation>,
) -> Result<Vec<Citation>> {
    let rows = passages::Entity::find()
        .filter(passages::Column::WorkspaceId.eq(tx.workspace()))
        .filter(passages::Column::Id.is_in(citations.iter().map(|c| c.passage)))
        .filter(passages::Column::KnowledgeVersion.gt(0))
        .all(tx.db())
        .await?;
    let hidden = quarantine::hidden(tx, citations.iter().map(|citation| citation.document)).await?;
    let mut kept = Vec::new();
    for citation in citations.into_iter().filter(|citation| !hidden.contains(&citation.document)) {
        let Some(row) = rows.iter().find(|r| r.id == citation.passage) else { continue };
        let place = Place::new(tx.workspace(), "passages", "text_sealed", row.id.0);
        if workspace_key.open_text(&place, &row.text_sealed)?.contains(&citation.quote) {
            kept.push(citation);
        }
    }
    Ok(kept)
}

/// Stores the citations of an answer, sealed under the visitor's key.
pub(crate) async fn store(
    tx: &WorkspaceTx,
    key: &Key,
    answer: AnswerId,
    subject: SubjectId,
    citations: &[Citation],
) -> Result<()> {
    if citations.is_empty() {
        return Ok(());
    }
    let rows = citations.iter().map(|c| {
        let place = |column| Place::new(tx.workspace(), "citations", column, answer.0).part(c.index);
        table::ActiveModel {
            workspace_id: Set(tx.workspace()),
            answer_id: Set(answer),
            position: Set(c.index),
            subject_id: Set(subject),
            document_id: Set(c.document),
            passage_id: Set(c.passage),
            title_sealed: Set(key.seal_text(&place("title_sealed"), &c.title)),
            quote_sealed: Set(key.seal_text(&place("quote_sealed"), &c.quote)),
            location_sealed: Set(c.location.as_ref().map(|text| key.seal_text(&place("location_sealed"), text))),
            score: Set(c.score),
        }
    });
    table::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Citations of those of the answers that the scope may see, in the order of their numbers. An answer that is unknown, or
/// whose visitor was erased, has no entry.
///
/// # Errors
/// `Forbidden`; `Unavailable`; `Corrupt` where a stored citation cannot be opened.
pub async fn of_answers(
    scope: &Scope,
    store: &Store,
    answers: &[AnswerId],
) -> Result<HashMap<AnswerId, Vec<Citation>>> {
    let tx = store.read(scope).await?;
    let rows = super::visible_answers(scope)?.filter(answer_table::Column::Id.is_in(answers.iter().copied()));
    let seen: HashMap<AnswerId, SubjectId> =
        rows.all(tx.db()).await?.into_iter().map(|row| (row.id, row.subject_id)).collect();
    let mut keys = HashMap::new();
    for subject in seen.values().collect::<HashSet<_>>() {
        match store.vault().subject_key(scope.workspace(), *subject).await {
            Err(error) if error.kind() == ErrorKind::SubjectErased => {}
            key => drop(keys.insert(*subject, key?)),
        }
    }
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::AnswerId.is_in(seen.keys().copied()))
        .order_by_asc(table::Column::Position)
        .all(tx.db())
        .await?;
    let stored: HashSet<PassageId> = passages::Entity::find()
        .filter(passages::Column::WorkspaceId.eq(scope.workspace()))
        .filter(passages::Column::Id.is_in(rows.iter().map(|r| r.passage_id)))
        .select_only()
        .column(passages::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?
        .into_iter()
        .collect();
    let hidden = quarantine::hidden(&tx, rows.iter().map(|row| row.document_id)).await?;
    let with_key = seen.into_iter().filter(|(_, subject)| keys.contains_key(subject));
    let mut cited: HashMap<AnswerId, Vec<Citation>> = with_key.map(|(answer, _)| (answer, Vec::new())).collect();
    for row in rows {
        if let (Some(key), Some(of_answer)) = (keys.get(&row.subject_id), cited.get_mut(&row.answer_id)) {
            let is_withdrawn = !stored.contains(&row.passage_id) || hidden.contains(&row.document_id);
            of_answer.push(open(key, row, is_withdrawn)?);
        }
    }
    Ok(cited)
}

fn open(key: &Key, row: table::Model, is_withdrawn: bool) -> Result<Citation> {
    let place = |column| Place::new(row.workspace_id, "citations", column, row.answer_id.0).part(row.position);
    let (title, quote) = if is_withdrawn || row.quote_sealed.is_empty() {
        (String::new(), String::new())
    } else {
        (
            key.open_text(&place("title_sealed"), &row.title_sealed)?,
            key.open_text(&place("quote_sealed"), &row.quote_sealed)?,
        )
    };
    Ok(Citation {
        index: row.position,
        document: row.document_id,
        passage: row.passage_id,
        title,
        quote,
        location: match &row.location_sealed {
            Some(sealed) if !is_withdrawn => Some(key.open_text(&place("location_sealed"), sealed)?),
            _ => None,
        },
        score: row.score,
        is_withdrawn,
    })
}

/// Lets text through as it streams, but no citation number that was not given, no image, and nothing invisible.
pub(crate) struct MarkerFilter {
    passages: usize,
    /// What may become a marker: it begins with `[`, or is a `!` that may begin an image.
    held: String,
}

impl MarkerFilter {
    pub(crate) fn new(passages: usize) -> Self {
        Self { passages, held: String::new() }
    }

    /// The text that can be shown now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.step(c, &mut out);
        }
        out
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn step(&mut self, c: char, out: &mut String) {
        match (self.held.as_str(), c) {
            ("", '[' | '!') => self.held.push(c),
            ("", _) => out.push(c),
            // An image in Markdown would make a client fetch an address; without its `!` it is text.
            ("!", '[') => {
                self.held.clear();
                self.held.push('[');
            }
            ("!", _) => {
                out.push('!');
                self.held.clear();
                self.step(c, out);
            }
            (_, ']') => {
                let inside = std::mem::take(&mut self.held);
                self.settle(&inside[1..], out);
            }
            (held, '0'..='9' | ',' | ' ') if held.len() < 24 => self.held.push(c),
            _ => {
                out.push_str(&self.held);
                self.held.clear();
                self.step(c, out);
            }
        }
    }

    fn settle(&self, inside: &str, out: &mut String) {
        let numbers: Vec<&str> = inside.split(',').map(str::trim).collect();
        if numbers.iter().any(|n| n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit())) {
            out.push('[');
            out.push_str(inside);
            out.push(']');
            return;
        }
        for number in numbers {
            if number.parse().is_ok_and(|n: usize| (1..=self.passages).contains(&n)) {
                out.push_str(&format!("[{number}]"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(pieces: &[&str]) -> String {
        let mut filter = MarkerFilter::new(2);
        let mut out: String = pieces.iter().map(|p| filter.push(p)).collect();
        out.push_str(&filter.finish());
        out
    }

    #[test]
    fn a_number_that_was_not_given_is_not_shown() {
        assert_eq!(
            filtered(&["Yes [1", "], no [3], both [1, ", "2] and [9,2]."]),
            "Yes [1], no , both [1][2] and [2]."
        );
    }

    #[test]
    fn other_brackets_stay_and_images_do_not() {
        assert_eq!(filtered(&["a[i] = b[", "x]! ![pic](", "u) [1 apple] ["]), "a[i] = b[x]! [pic](u) [1 apple] [");
    }

    #[test]
    fn a_quote_is_copied_from_the_passage() {
        let passage = "Install it first. The server listens on port 8000. Then open a browser.";
        assert_eq!(quote(passage, "It listens on port 8000 by default"), "The server listens on port 8000.");
    }

    #[test]
    fn neighbouring_markers_share_their_statement() {
        assert_eq!(markers("A b. [1][2] C. [1]"), vec![(1, "A b. "), (2, "A b. "), (1, " C. ")]);
    }
}
