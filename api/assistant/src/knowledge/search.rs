//! Search: the passages of a workspace that are nearest to a question.
//!
//! The index is derived. Before each search it is brought in step with the database, by the workspace's knowledge
//! version: nothing to do where the versions agree, else only what is new is read.

use std::collections::{HashMap, HashSet};

use consigne_foundation::{
    Error, Permission, Result, Scope,
    error::ErrorKind,
    id::{DocumentId, PassageId},
    store::WorkspaceTx,
    vault::{Key, Place},
    workspaces,
};
use consigne_sdk::{EmbedKind, Fingerprint, Partition, Point};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Knowledge;
use crate::entity::{documents, passages as table};

/// Passages read from the database in one step while an index is filled.
const PAGE: u64 = 2_000;

/// What a passage in the question's own language is worth in cosine. Multilingual vectors put a passage and its
/// translation within about .02 of each other, in no reliable order.
const SAME_LANGUAGE: f32 = 0.02;

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
    /// Cosine of question and passage.
    pub score: f32,
}

impl Found {
    /// Where in the document: page, or the headings below its title.
    pub fn location(&self) -> Option<String> {
        if let Some(page) = self.page {
            return Some(format!("p. {page}"));
        }
        let below: Vec<&str> = self.headings.iter().map(String::as_str).filter(|h| *h != self.title).collect();
        (!below.is_empty()).then(|| below.join(" > "))
    }
}

/// The nearest passages, best first. Among near-equals those in `language` come first.
///
/// # Errors
/// `Forbidden`; `Unavailable` where the model or the index is down.
pub async fn search(
    scope: &Scope,
    knowledge: &Knowledge,
    question: &str,
    language: Option<&str>,
    limit: usize,
) -> Result<Vec<Found>> {
    scope.require(Permission::KnowledgeRead)?;
    let embedder = knowledge.registry.embedder()?;
    let vector = embedder
        .embed(EmbedKind::Question, vec![question.to_owned()])
        .await?
        .pop()
        .ok_or_else(|| Error::internal("the embedder answered no vector"))?;
    let partition = sync(scope, knowledge).await?;
    let index = knowledge.registry.vector_index()?;
    // Several translations of a page are near-equal; enough are read to choose among them.
    let hits = index.search(&partition, &vector, limit * 4).await?;
    let mut found = read(scope, knowledge, &hits.iter().map(|h| (PassageId(h.passage), h.score)).collect()).await?;
    let rank =
        |f: &Found| f.score + if language.is_some() && f.language.as_deref() == language { SAME_LANGUAGE } else { 0.0 };
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then(a.passage.cmp(&b.passage)));
    found.truncate(limit);
    Ok(found)
}

/// The passages themselves; one that was deleted a moment ago is left out.
async fn read(scope: &Scope, knowledge: &Knowledge, scores: &HashMap<PassageId, f32>) -> Result<Vec<Found>> {
    if scores.is_empty() {
        return Ok(Vec::new());
    }
    let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
    let tx = knowledge.store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.is_in(scores.keys().copied()))
        .filter(table::Column::KnowledgeVersion.gt(0))
        .all(tx.db())
        .await?;
    let titles: HashMap<DocumentId, String> = documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(scope.workspace()))
        .filter(documents::Column::Id.is_in(rows.iter().map(|r| r.document_id).collect::<HashSet<_>>()))
        .all(tx.db())
        .await?
        .into_iter()
        .map(|d| (d.id, d.title))
        .collect();
    rows.into_iter()
        .map(|row| {
            let headings = key.open_text(&place(&row, "headings_sealed"), &row.headings_sealed)?;
            Ok(Found {
                passage: row.id,
                document: row.document_id,
                title: titles.get(&row.document_id).cloned().unwrap_or_default(),
                headings: headings.lines().map(str::to_owned).collect(),
                text: key.open_text(&place(&row, "text_sealed"), &row.text_sealed)?,
                page: row.page,
                score: scores.get(&row.id).copied().unwrap_or_default(),
                language: row.language,
                ordinal: row.ordinal,
            })
        })
        .collect()
}

/// Brings the workspace's index partition in step with the database.
///
/// # Errors
/// `Unavailable`; `Corrupt` where a stored vector cannot be opened.
pub async fn sync(scope: &Scope, knowledge: &Knowledge) -> Result<Partition> {
    let model = knowledge.registry.embedder()?.model().fingerprint;
    let partition = Partition::new(scope.workspace().0, model);
    let index = knowledge.registry.vector_index()?;
    if index.version(&partition).await? == Some(stored_version(scope, knowledge).await?) {
        return Ok(partition);
    }
    let turn = knowledge.syncing.lock().await.entry(partition).or_default().clone();
    let _turn = turn.lock().await;
    let have = index.version(&partition).await?;
    let tx = knowledge.store.read(scope).await?;
    let target = workspaces::knowledge_version(&tx).await?;
    if have == Some(target) {
        return Ok(partition);
    }
    let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
    let mut after = None;
    loop {
        let rows = page(&tx, model, have.unwrap_or(0), after).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        let points = rows.iter().map(|row| point(&key, row)).collect::<Result<Vec<_>>>()?;
        // Not in step before the last page is in.
        index.apply(&partition, points, &[], have.unwrap_or(-1)).await?;
    }
    let gone = gone(&tx, knowledge, &partition, model).await?;
    index.apply(&partition, Vec::new(), &gone, target).await?;
    Ok(partition)
}

async fn stored_version(scope: &Scope, knowledge: &Knowledge) -> Result<i64> {
    let tx = knowledge.store.read(scope).await?;
    workspaces::knowledge_version(&tx).await
}

async fn page(
    tx: &WorkspaceTx,
    model: Fingerprint,
    newer_than: i64,
    after: Option<PassageId>,
) -> Result<Vec<table::Model>> {
    let mut query = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::KnowledgeVersion.gt(newer_than))
        .filter(table::Column::ModelFingerprint.eq(model.0.to_vec()))
        .order_by_asc(table::Column::Id)
        .limit(PAGE);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    Ok(query.all(tx.db()).await?)
}

/// Points that the database does not have any more. Looked for only where the counts differ.
async fn gone(tx: &WorkspaceTx, knowledge: &Knowledge, partition: &Partition, model: Fingerprint) -> Result<Vec<Uuid>> {
    let index = knowledge.registry.vector_index()?;
    let visible = || {
        table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::KnowledgeVersion.gt(0))
            .filter(table::Column::ModelFingerprint.eq(model.0.to_vec()))
    };
    if visible().count(tx.db()).await? == index.count(partition).await? {
        return Ok(Vec::new());
    }
    let stored: HashSet<Uuid> = visible()
        .select_only()
        .column(table::Column::Id)
        .into_tuple::<PassageId>()
        .all(tx.db())
        .await?
        .into_iter()
        .map(|id| id.0)
        .collect();
    Ok(index.passages(partition).await?.into_iter().filter(|id| !stored.contains(id)).collect())
}

/// Points of the workspace whose passage is not in the database. An index that was not filled yet has none.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn count_orphans(scope: &Scope, knowledge: &Knowledge) -> Result<u64> {
    let model = knowledge.registry.embedder()?.model().fingerprint;
    let partition = Partition::new(scope.workspace().0, model);
    let tx = knowledge.store.read(scope).await?;
    Ok(gone(&tx, knowledge, &partition, model).await?.len() as u64)
}

fn point(key: &Key, row: &table::Model) -> Result<Point> {
    Ok(Point { passage: row.id.0, document: row.document_id.0, vector: open_vector(key, row)? })
}

pub(crate) fn open_vector(key: &Key, row: &table::Model) -> Result<Vec<f32>> {
    let bytes = key.open(&place(row, "vector_sealed"), &row.vector_sealed)?;
    if bytes.len() % 4 != 0 {
        return Err(Error::new(ErrorKind::Corrupt, format!("The vector of {} has {} bytes.", row.id, bytes.len())));
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Little-endian 32-bit floats.
pub(crate) fn vector_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn place(row: &table::Model, column: &'static str) -> Place {
    Place::new(row.workspace_id, "passages", column, row.id.0)
}
