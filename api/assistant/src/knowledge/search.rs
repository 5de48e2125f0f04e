//! Search: the passages of a workspace that answer a question best, by meaning and by words.
//!
//! Meaning is the cosine of two vectors, which crosses languages; words are BM25 over keyed numbers, which find a part
//! number or a name that a vector blurs. The index adds the two up: a passage with every word of the question gets
//! [`WORDS_COUNT`] on top of its cosine, one without any gets nothing, so that a passage in another language loses to no
//! accident of spelling (see `docs/decisions/0007-cosine-plus-words.md`). The passages that the index names are scored
//! once more from what is stored, which is the truth.
//!
//! Where the model that made the vectors cannot be had any more, until another one has made them anew, passages are found by
//! their words, and compared with the question by the model that can be had.
//!
//! Reading order: [`search`], [`mod@sync`] (the index, in step with the database), [`rerank`] (a second look at the best),
//! [`excerpts`] (passages that go together), `recipients` (who outside gets a question).

pub mod excerpts;
pub(crate) mod points;
mod recipients;
pub mod rerank;
pub(crate) mod sync;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::{DocumentId, PassageId, SubjectId},
    privacy::{Purpose, admission},
    vault::{Key, TermNumbers},
    workspaces,
};
use consigne_sdk::{EmbedKind, Embedder, Filter, IndexQuery, Residency, Term};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::try_join;
use uuid::Uuid;

pub use self::sync::{Reconciled, reconcile, sync};
pub(crate) use self::{
    points::place,
    sync::{
        compare_counts, compare_ids, count_orphans, is_index_away, purge, put_ahead, remove_document, remove_orphans,
        take_away, write_ahead,
    },
};
use super::{
    Knowledge,
    embeddings::{
        model::{self, InUse},
        vectors,
    },
    lexicon,
    parse::slide,
    sources::quarantine,
    terms,
};
use crate::entity::{documents, passages as table};

/// What all the words of a question are worth beside the cosine.
const WORDS_COUNT: f32 = 0.2;

/// What a passage in the question's own language is worth. Multilingual vectors put a passage and its translation within
/// about .02 of each other, in no reliable order.
const SAME_LANGUAGE: f32 = 0.02;

/// What shared words count where the question is in a foreign language: the same spelling often means something else there.
const WORDS_ACROSS: f32 = 0.4;

/// A question's language is foreign where fewer than one in so many passages that come into question are in it.
const FOREIGN_FROM: usize = 4;

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
    /// Whose it is, where whoever acts is somebody else.
    pub whose: Option<SubjectId>,
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
/// `Forbidden`; `PurposeRefused`; `Unavailable` where the model or the index is down.
pub async fn search(scope: &Scope, knowledge: &Knowledge, query: Query<'_>) -> Result<Vec<Found>> {
    Ok(find(scope, knowledge, query).await?.passages)
}

/// What a search found, and what compared it.
pub(crate) struct Findings {
    /// The passages, best first.
    pub passages: Vec<Found>,
    /// The question's vector.
    pub question: Vec<f32>,
    /// The embedder whose cosines and vectors these are.
    pub embedder: Arc<dyn Embedder>,
}

/// As [`search`], and with which embedder.
///
/// # Errors
/// As [`search`].
pub(crate) async fn find(scope: &Scope, knowledge: &Knowledge, query: Query<'_>) -> Result<Findings> {
    scope.require(Permission::KnowledgeRead)?;
    let admitted = admission::admit(scope, &knowledge.store, Purpose::Answering, None);
    let ((), mut in_use) = try_join!(admitted, model::in_use(scope, knowledge))?;
    let numbers = knowledge.store.vault().term_numbers(scope.workspace()).await?;
    let index = knowledge.registry.vector_index()?;
    let in_quarantine = async { quarantine::sources(&knowledge.store.read(scope).await?).await };
    // What is not in step by then is brought there while the question is embedded; what changes later is seen when the passages
    // are read.
    let in_step = sync::sync_to(scope, knowledge, in_use.model.indexed(scope));
    let asked = Asked::of(scope, knowledge, &query, &numbers, &in_use);
    let (mut asked, in_quarantine, ()) = try_join!(asked, in_quarantine, in_step)?;
    let filter = Filter { not_sources: in_quarantine, ..filter_of(query.filter.clone(), &numbers) };
    let mut found = Vec::new();
    for again in 0..TRIES {
        if asked.finds_by_words && asked.terms.is_empty() {
            break;
        }
        let partition = in_use.model.indexed(scope);
        if again > 0 {
            sync::sync_to(scope, knowledge, partition).await?;
        }
        let wanted = asked.wanted(in_use.model.dimensions, filter.clone(), &query);
        let hits = sync::in_time(index.search(&partition.partition, &wanted)).await?;
        let passages: Vec<PassageId> = hits.iter().map(|hit| PassageId(hit.passage)).collect();
        let rows = read(scope, knowledge, &passages, &in_use).await?;
        let are_all_there = rows.len() == passages.len();
        found = asked.score(scope, knowledge, rows, &in_use, query.limit).await?;
        // Where the model was changed between the question and its answer, the partition may have gone meanwhile.
        if found.is_empty() || !are_all_there {
            let now = model::in_use(scope, knowledge).await?;
            if now.model.fingerprint != in_use.model.fingerprint {
                asked = Asked::of(scope, knowledge, &query, &numbers, &now).await?;
                in_use = now;
                continue;
            }
        }
        // A server was told of new passages before old ones went. An index in this process was not: what was found in it
        // may have been replaced since.
        if are_all_there || index.residency() == Residency::Server {
            break;
        }
    }
    found.retain(|found| asked.ranking != Ranking::Words || found.rank > 0.0);
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank).then(a.passage.cmp(&b.passage)));
    found.truncate(query.limit);
    Ok(Findings { passages: found, question: asked.vector, embedder: in_use.embedder })
}

/// A question, ready to be compared with passages.
struct Asked<'a> {
    vector: Vec<f32>,
    terms: Vec<Term>,
    ranking: Ranking,
    /// Whether the index is asked for words alone.
    finds_by_words: bool,
    language: Option<&'a str>,
}

impl<'a> Asked<'a> {
    async fn of(
        scope: &Scope,
        knowledge: &Knowledge,
        query: &Query<'a>,
        numbers: &TermNumbers,
        in_use: &InUse,
    ) -> Result<Self> {
        let parties = [&in_use.facts, &knowledge.registry.vector_index_facts()?];
        recipients::record(scope, &knowledge.store, query.whose, &parties).await?;
        let finds_by_words = query.ranking == Ranking::Words || !in_use.is_whole();
        let vector = async {
            let model = in_use.embedder.model().fingerprint;
            if let Some(made) = knowledge.embedded_ahead(scope, query.question, model).await {
                return Ok(made);
            }
            let made = in_use.embedder.embed(EmbedKind::Question, vec![query.question.to_owned()]).await?.pop();
            made.ok_or_else(|| Error::internal("the embedder answered no vector"))
        };
        let terms = async {
            match query.ranking == Ranking::Meaning && !finds_by_words {
                true => Ok(Vec::new()),
                false => terms_of(scope, knowledge, query, numbers).await,
            }
        };
        let (vector, terms) = try_join!(vector, terms)?;
        Ok(Self { vector, terms, ranking: query.ranking, finds_by_words, language: query.language })
    }

    /// What the index is asked.
    fn wanted(&self, dimensions: usize, filter: Filter, query: &Query<'_>) -> IndexQuery {
        IndexQuery {
            vector: if self.finds_by_words { vec![0.0; dimensions] } else { self.vector.clone() },
            terms: self.terms.clone(),
            filter,
            limit: query.limit.saturating_mul(ASKED_FOR_EACH),
        }
    }

    /// The passages, compared with the question. Those that lack a vector of the embedder get one now, as many of them as may
    /// be wanted; the others of these are left out.
    async fn score(
        &self,
        scope: &Scope,
        knowledge: &Knowledge,
        rows: Vec<Row>,
        in_use: &InUse,
        limit: usize,
    ) -> Result<Vec<Found>> {
        let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
        let mut lacking: Vec<(f32, table::Model)> = Vec::new();
        for row in rows.iter().filter(|row| row.vector.is_none()) {
            lacking.push((self.words_of(&key, &row.passage)?, row.passage.clone()));
        }
        lacking.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let lacking: Vec<table::Model> = lacking.into_iter().take(limit).map(|(_, passage)| passage).collect();
        let mut made = HashMap::new();
        if !lacking.is_empty() {
            let vectors = vectors::embed(&key, in_use.embedder.as_ref(), &lacking).await?;
            made.extend(lacking.iter().map(|passage| passage.id).zip(vectors));
        }
        let across = self.crosses(&rows);
        let scored = rows.into_iter().filter_map(|mut row| {
            let vector = row.vector.take().or_else(|| made.remove(&row.passage.id))?;
            Some(self.found(&key, row, vector, across))
        });
        scored.collect()
    }

    /// Whether the knowledge about this is in another language than the question. A few passages are always taken for another
    /// language than theirs, so one alone says nothing.
    fn crosses(&self, rows: &[Row]) -> bool {
        let Some(asked) = self.language else { return false };
        let own = rows.iter().filter(|row| row.passage.language.as_deref() == Some(asked)).count();
        own * FOREIGN_FROM < rows.len()
    }

    fn found(&self, key: &Key, row: Row, vector: Vec<f32>, across: bool) -> Result<Found> {
        let Row { passage: row, title, .. } = row;
        let cosine: f32 = vector.iter().zip(&self.vector).map(|(a, b)| a * b).sum();
        let words = if self.terms.is_empty() { 0.0 } else { self.words_of(key, &row)? };
        let in_own = self.language.is_some() && self.language == row.language.as_deref();
        let (own, worth) = match across {
            true => (0.0, WORDS_ACROSS),
            false => (if in_own { SAME_LANGUAGE } else { 0.0 }, 1.0),
        };
        let rank = match self.ranking {
            Ranking::Hybrid => cosine + words * worth + own,
            Ranking::Meaning => cosine + own,
            Ranking::Words => words,
        };
        let headings = key.open_text(&points::place(&row, "headings_sealed"), &row.headings_sealed)?;
        Ok(Found {
            passage: row.id,
            document: row.document_id,
            title,
            headings: headings.lines().map(str::to_owned).collect(),
            text: key.open_text(&points::place(&row, "text_sealed"), &row.text_sealed)?,
            page: row.page,
            language: row.language,
            ordinal: row.ordinal,
            tokens: row.tokens,
            score: cosine,
            rank,
            vector,
        })
    }

    fn words_of(&self, key: &Key, row: &table::Model) -> Result<f32> {
        let weights: HashMap<u32, f32> =
            points::open_terms(key, row)?.weighed().into_iter().map(|term| (term.number, term.weight)).collect();
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
        tags: filter.tags.iter().map(|tag| points::tag_number(numbers, tag)).collect(),
        from: filter.from.map(|at| at.0),
        until: filter.until.map(|at| at.0),
    }
}

/// A passage as it is stored, its document's title, and its vector, if the embedder's model made one.
struct Row {
    passage: table::Model,
    title: String,
    vector: Option<Vec<f32>>,
}

/// The passages themselves; one that was deleted or put into quarantine a moment ago is left out.
async fn read(scope: &Scope, knowledge: &Knowledge, passages: &[PassageId], in_use: &InUse) -> Result<Vec<Row>> {
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
    let mut vectors = vectors::of(&tx, &key, &rows, in_use.embedder.model().fingerprint).await?;
    let shown = rows.into_iter().filter(|row| !hidden.contains(&row.document_id));
    let titled = shown.map(|passage| {
        let title = titles.get(&passage.document_id).cloned().unwrap_or_default();
        let vector = vectors.remove(&passage.id);
        Row { passage, title, vector }
    });
    Ok(titled.collect())
}
