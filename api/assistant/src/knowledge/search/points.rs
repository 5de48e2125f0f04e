//! Points of stored passages: what an index is handed.

use std::collections::{HashMap, HashSet};

use consigne_foundation::{
    Result, Scope,
    id::DocumentId,
    store::WorkspaceTx,
    vault::{Key, Place, TermNumbers},
};
use consigne_sdk::{Facts, Point};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::super::{
    Knowledge,
    embeddings::{model::IndexedModel, vectors},
    terms::PassageTerms,
};
use crate::entity::{documents, passages as table};

/// What becomes of a passage that lacks a vector of the partition's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// It can be found by its words.
    WordsAlone,
    /// It waits for its vector.
    LeftOut,
}

/// Makes points of stored passages.
pub(crate) struct PointReader {
    key: Key,
    numbers: TermNumbers,
    model: IndexedModel,
    lacking: Lacking,
}

impl PointReader {
    /// For the scope's workspace and one of its models.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn of(scope: &Scope, knowledge: &Knowledge, model: IndexedModel, lacking: Lacking) -> Result<Self> {
        let vault = knowledge.store.vault();
        let key = vault.workspace_key(scope.workspace()).await?;
        Ok(Self { key, numbers: vault.term_numbers(scope.workspace()).await?, model, lacking })
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
        let mut vectors = vectors::of(tx, &self.key, rows, self.model.partition.model()).await?;
        let mut points = Vec::with_capacity(rows.len());
        for row in rows {
            let vector = match (vectors.remove(&row.id), self.lacking) {
                (Some(vector), _) => vector,
                (None, Lacking::WordsAlone) => vec![0.0; self.model.dimensions],
                (None, Lacking::LeftOut) => continue,
            };
            points.push(self.point(row, vector, documents.get(&row.document_id))?);
        }
        Ok(points)
    }

    fn point(&self, row: &table::Model, vector: Vec<f32>, document: Option<&documents::Model>) -> Result<Point> {
        let facts = document.map(|document| Facts {
            source: document.source_id,
            language: row.language.clone(),
            tags: document.tags.lines().map(|tag| tag_number(&self.numbers, tag)).collect(),
            date: document.dated_at.unwrap_or(document.created_at).0,
        });
        Ok(Point {
            passage: row.id.0,
            document: row.document_id.0,
            vector,
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

pub(crate) fn place(row: &table::Model, column: &'static str) -> Place {
    Place::new(row.workspace_id, "passages", column, row.id.0)
}
