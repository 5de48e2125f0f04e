//! The index, in step with the database.
//!
//! An index in this process's memory is brought in step before each search, by the workspace's knowledge version: nothing
//! to do where the versions agree, else only what is new is read. A server is written to when knowledge changes.

use std::collections::{HashMap, HashSet};

use consigne_foundation::{
    Error, Result, Scope,
    error::ErrorKind,
    id::{DocumentId, PassageId},
    store::WorkspaceTx,
    vault::{Key, Place, TermNumbers},
    workspaces,
};
use consigne_sdk::{Facts, Fingerprint, Partition, Point};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::{Knowledge, terms::PassageTerms};
use crate::entity::{documents, passages as table};

/// Passages read from the database in one step while an index is filled.
const PAGE: u64 = 2_000;

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
    let reader = PointReader::of(scope, knowledge).await?;
    let mut after = None;
    loop {
        let rows = page(&tx, model, have.unwrap_or(0), after).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        let points = reader.read(&tx, &rows).await?;
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

/// Makes points of stored passages.
pub(crate) struct PointReader {
    key: Key,
    numbers: TermNumbers,
}

impl PointReader {
    /// For the scope's workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn of(scope: &Scope, knowledge: &Knowledge) -> Result<Self> {
        let vault = knowledge.store.vault();
        let key = vault.workspace_key(scope.workspace()).await?;
        Ok(Self { key, numbers: vault.term_numbers(scope.workspace()).await? })
    }

    /// The number of a tag.
    pub fn tag(&self, tag: &str) -> u32 {
        tag_number(&self.numbers, tag)
    }

    /// The points of these rows.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` where a stored value cannot be opened.
    pub async fn read(&self, tx: &WorkspaceTx, rows: &[table::Model]) -> Result<Vec<Point>> {
        let of: HashSet<DocumentId> = rows.iter().map(|row| row.document_id).collect();
        let documents: HashMap<DocumentId, documents::Model> = documents::Entity::find()
            .filter(documents::Column::WorkspaceId.eq(tx.workspace()))
            .filter(documents::Column::Id.is_in(of))
            .all(tx.db())
            .await?
            .into_iter()
            .map(|document| (document.id, document))
            .collect();
        rows.iter().map(|row| self.point(row, documents.get(&row.document_id))).collect()
    }

    fn point(&self, row: &table::Model, document: Option<&documents::Model>) -> Result<Point> {
        let facts = document.map(|document| Facts {
            source: document.source_id,
            language: row.language.clone(),
            tags: document.tags.lines().map(|tag| self.tag(tag)).collect(),
            date: document.dated_at.unwrap_or(document.created_at).0,
        });
        Ok(Point {
            passage: row.id.0,
            document: row.document_id.0,
            vector: open_vector(&self.key, row)?,
            terms: open_terms(&self.key, row)?.weighed(),
            facts: facts.unwrap_or_default(),
        })
    }
}

/// The number of a tag, by which an index filters.
pub(crate) fn tag_number(numbers: &TermNumbers, tag: &str) -> u32 {
    numbers.of(&format!("tag:{tag}"))
}

/// The terms of a stored passage; none where it was stored before terms were.
pub(crate) fn open_terms(key: &Key, row: &table::Model) -> Result<PassageTerms> {
    match &row.terms_sealed {
        Some(sealed) => PassageTerms::from_bytes(&key.open(&place(row, "terms_sealed"), sealed)?),
        None => Ok(PassageTerms::default()),
    }
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

pub(crate) fn place(row: &table::Model, column: &'static str) -> Place {
    Place::new(row.workspace_id, "passages", column, row.id.0)
}
