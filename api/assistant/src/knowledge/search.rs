//! Search: the passages of a workspace that answer a question best, by meaning and by words.
//!
//! Meaning is the cosine of two vectors, which crosses languages; words are BM25 over keyed numbers, which find a part
//! number or a name that a vector blurs. The index adds the two up: a passage with every word of the question gets
//! [`WORDS_COUNT`] on top of its cosine, one without any gets nothing, so that a passage in another language loses to no
//! accident of spelling (see `docs/decisions/0007-cosine-plus-words.md`). The passages that the index names are scored
//! once more from what is stored, which is the truth.
//!
//! Reading order: [`search`], [`mod@sync`] (the index, in step with the database), [`excerpts`] (passages that go together).

pub mod excerpts;
pub(crate) mod sync;

use std::collections::{BTreeSet, HashMap, HashSet};

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::{DocumentId, PassageId},
    vault::{Key, TermNumbers},
    workspaces,
};
use consigne_sdk::{EmbedKind, Filter, IndexQuery, Residency, Term};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

pub use self::sync::{Reconciled, reconcile, sync};
pub(crate) use self::sync::{
    compare_counts, compare_ids, count_orphans, is_index_away, open_vector, place, purge, put_ahead, remove_orphans,
    take_away, vector_bytes, write_ahead,
};
use super::{Knowledge, lexicon, parse::slide, sources::quarantine, terms};
use crate::entity::{documents, passages as table};

/// What all the words of a question are worth beside the cosine.
const WORDS_COUNT: f32 = 0.2;

/// What a passage in the question's own language is worth. Multilingual vectors put a passage and its translation within
/// about .02 of each other, in no reliable order.
const SAME_LANGUAGE: f32 = 0.02;

/// Searches for one question, where passages that were found are replaced before they are read.
const TRIES: usize = 4;

/// Passages asked of the index for each one wanted: several translations of a page are near-equal, and what the index
/// ranks by is rounded.
const ASKED_FOR_EACH: usize = 4;

/// By what passages are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ranking {
    /// By meaning and by words.
    #[default]
    Hybrid,
    /// By meaning alone.
    Meaning,
    /// By words alone.
    Words,
}

/// Which passages may be found. Each condition that is not empty has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnowledgeFilter {
    /// Of documents from one of these sources.
    pub sources: Vec<Uuid>,
    /// In one of these languages, ISO 639-1.
    pub languages: Vec<String>,
    /// Of documents with at least one of these tags.
    pub tags: Vec<String>,
    /// Of documents dated at or after this.
    pub from: Option<Timestamp>,
    /// Of documents dated before this.
    pub until: Option<Timestamp>,
}

/// What is looked for.
#[derive(Clone, Default)]
pub struct Query<'a> {
    /// The question.
    pub question: &'a str,
    /// Its language, ISO 639-1, where it is known.
    pub language: Option<&'a str>,
    /// Which passages may be found.
    pub filter: KnowledgeFilter,
    /// By what they are ranked.
    pub ranking: Ranking,
    /// What all the words of the question are worth beside the cosine, where it is not what the product takes.
    pub words_count: Option<f32>,
    /// How many at most.
    pub limit: usize,
}

/// A passage found.
#[derive(Clone)]
pub struct Found {
    /// The passage.
    pub passage: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// The document's title.
    pub title: String,
    /// Headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The passage.
    pub text: String,
    /// Page, where the format has pages; from 1.
    pub page: Option<i64>,
    /// ISO 639-1, where it was detected.
    pub language: Option<String>,
    /// Place in its document, from 0.
    pub ordinal: i64,
    /// Its length in tokens of the embedding model.
    pub tokens: i64,
    /// Cosine of question and passage.
    pub score: f32,
    /// What passages are ranked by.
    pub rank: f32,
    /// Its vector, of unit length.
    pub(crate) vector: Vec<f32>,
}

impl Found {
    /// Where in the document: page or slide, or the headings below its title.
    pub fn location(&self) -> Option<String> {
        if let Some(page) = self.page {
            return Some(slide::location(page, &self.headings).unwrap_or_else(|| format!("p. {page}")));
        }
        let below: Vec<&str> = self.headings.iter().map(String::as_str).filter(|h| *h != self.title).collect();
        (!below.is_empty()).then(|| below.join(" > "))
    }
}

/// The passages that answer best, best first. Among near-equals those in the question's language come first.
///
/// # Errors
/// `Forbidden`; `Unavailable` where the model or the index is down.
pub async fn search(scope: &Scope, knowledge: &Knowledge, query: Query<'_>) -> Result<Vec<Found>> {
    scope.require(Permission::KnowledgeRead)?;
    let embedder = knowledge.registry.embedder()?;
    let vector = embedder
        .embed(EmbedKind::Question, vec![query.question.to_owned()])
        .await?
        .pop()
        .ok_or_else(|| Error::internal("the embedder answered no vector"))?;
    let numbers = knowledge.store.vault().term_numbers(scope.workspace()).await?;
    let asked = Asked {
        terms: match query.ranking {
            Ranking::Meaning => Vec::new(),
            Ranking::Hybrid | Ranking::Words => terms_of(scope, knowledge, &query, &numbers).await?,
        },
        vector,
        ranking: query.ranking,
        language: query.language,
    };
    if asked.ranking == Ranking::Words && asked.terms.is_empty() {
        return Ok(Vec::new());
    }
    let index = knowledge.registry.vector_index()?;
    let in_quarantine = {
        let tx = knowledge.store.read(scope).await?;
        quarantine::sources(&tx).await?
    };
    let wanted = IndexQuery {
        vector: if asked.ranking == Ranking::Words { vec![0.0; asked.vector.len()] } else { asked.vector.clone() },
        terms: asked.terms.clone(),
        filter: Filter { not_sources: in_quarantine, ..filter_of(query.filter, &numbers) },
        limit: query.limit.saturating_mul(ASKED_FOR_EACH),
    };
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let partition = sync(scope, knowledge).await?;
        let hits = sync::in_time(index.search(&partition, &wanted)).await?;
        let passages: Vec<PassageId> = hits.iter().map(|hit| PassageId(hit.passage)).collect();
        found = read(scope, knowledge, &passages, &asked).await?;
        // A server was told of new passages before old ones went. An index in this process was not: what was found in it
        // may have been replaced since.
        if found.len() == passages.len() || index.residency() == Residency::Server {
            break;
        }
    }
    found.retain(|found| asked.ranking != Ranking::Words || found.rank > 0.0);
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank).then(a.passage.cmp(&b.passage)));
    found.truncate(query.limit);
    Ok(found)
}

/// A question, ready to be compared with passages.
struct Asked<'a> {
    vector: Vec<f32>,
    terms: Vec<Term>,
    ranking: Ranking,
    language: Option<&'a str>,
}

impl Asked<'_> {
    /// Cosine, and what passages are ranked by.
    fn score(&self, key: &Key, row: &table::Model, vector: &[f32]) -> Result<(f32, f32)> {
        let cosine: f32 = vector.iter().zip(&self.vector).map(|(a, b)| a * b).sum();
        let words = if self.terms.is_empty() { 0.0 } else { self.words_of(key, row)? };
        let is_own = self.language.is_some() && row.language.as_deref() == self.language;
        let own = if is_own { SAME_LANGUAGE } else { 0.0 };
        let rank = match self.ranking {
            Ranking::Hybrid | Ranking::Meaning => cosine + words + own,
            Ranking::Words => words,
        };
        Ok((cosine, rank))
    }

    fn words_of(&self, key: &Key, row: &table::Model) -> Result<f32> {
        let weights: HashMap<u32, f32> =
            sync::open_terms(key, row)?.weighed().into_iter().map(|term| (term.number, term.weight)).collect();
        let shared = self.terms.iter().filter_map(|term| Some(term.weight * weights.get(&term.number)?));
        Ok(shared.sum())
    }
}

/// The question's words, weighed by how telling they are in this workspace.
async fn terms_of(scope: &Scope, knowledge: &Knowledge, query: &Query<'_>, numbers: &TermNumbers) -> Result<Vec<Term>> {
    let tx = knowledge.store.read(scope).await?;
    let workspace = workspaces::current(&tx).await?;
    let words = terms::question_words(query.question, query.language, &workspace.languages, numbers);
    let all: BTreeSet<u32> = words.iter().flatten().copied().collect();
    let having = lexicon::having(&tx, all).await?;
    Ok(terms::weigh(&words, &having, workspace.passages, query.words_count.unwrap_or(WORDS_COUNT)))
}

fn filter_of(filter: KnowledgeFilter, numbers: &TermNumbers) -> Filter {
    Filter {
        sources: filter.sources,
        not_sources: Vec::new(),
        languages: filter.languages,
        tags: filter.tags.iter().map(|tag| sync::tag_number(numbers, tag)).collect(),
        from: filter.from.map(|at| at.0),
        until: filter.until.map(|at| at.0),
    }
}

/// The passages themselves, scored; one that was deleted or put into quarantine a moment ago is left out.
async fn read(scope: &Scope, knowledge: &Knowledge, passages: &[PassageId], asked: &Asked<'_>) -> Result<Vec<Found>> {
    if passages.is_empty() {
        return Ok(Vec::new());
    }
    let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
    let tx = knowledge.store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.is_in(passages.iter().copied()))
        .filter(table::Column::KnowledgeVersion.gt(0))
        .all(tx.db())
        .await?;
    let hidden = quarantine::hidden(&tx, rows.iter().map(|row| row.document_id)).await?;
    let titles: HashMap<DocumentId, String> = documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(scope.workspace()))
        .filter(documents::Column::Id.is_in(rows.iter().map(|r| r.document_id).collect::<HashSet<_>>()))
        .all(tx.db())
        .await?
        .into_iter()
        .map(|d| (d.id, d.title))
        .collect();
    rows.into_iter()
        .filter(|row| !hidden.contains(&row.document_id))
        .map(|row| {
            let headings = key.open_text(&sync::place(&row, "headings_sealed"), &row.headings_sealed)?;
            let vector = open_vector(&key, &row)?;
            let (score, rank) = asked.score(&key, &row, &vector)?;
            Ok(Found {
                passage: row.id,
                document: row.document_id,
                title: titles.get(&row.document_id).cloned().unwrap_or_default(),
                headings: headings.lines().map(str::to_owned).collect(),
                text: key.open_text(&sync::place(&row, "text_sealed"), &row.text_sealed)?,
                page: row.page,
                language: row.language,
                ordinal: row.ordinal,
                tokens: row.tokens,
                score,
                rank,
                vector,
            })
        })
        .collect()
}
