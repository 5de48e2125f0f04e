//! Vectors of passages: a passage's own, in its row, and one of another model beside it.

use std::collections::{HashMap, HashSet};

use consigne_foundation::{
    Error, Result, Scope,
    error::ErrorKind,
    id::{DocumentId, PassageId},
    store::WorkspaceTx,
    vault::{Key, Place},
    workspaces,
};
use consigne_sdk::{EmbedKind, Embedder, Fingerprint};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, LockType, OnConflict, Query},
};

use super::super::{Knowledge, chunk};
use crate::entity::{passage_vectors as beside, passages};

/// Passages embedded and stored in one step.
pub(crate) const STEP: usize = 16;

/// The passage's own vector, whatever its model.
///
/// # Errors
/// `Corrupt` where it cannot be opened.
pub(crate) fn own(key: &Key, row: &passages::Model) -> Result<Vec<f32>> {
    let place = Place::new(row.workspace_id, "passages", "vector_sealed", row.id.0);
    numbers(&key.open(&place, &row.vector_sealed)?, row.id)
}

/// The vector, sealed as a passage's own.
pub(crate) fn seal_own(key: &Key, row: &passages::Model, vector: &[f32]) -> Vec<u8> {
    key.seal(&Place::new(row.workspace_id, "passages", "vector_sealed", row.id.0), &bytes(vector))
}

/// The vectors of these passages under a model; those that lack one are left out.
///
/// # Errors
/// `Unavailable`; `Corrupt` where one cannot be opened.
pub(crate) async fn of(
    tx: &WorkspaceTx,
    key: &Key,
    rows: &[passages::Model],
    model: Fingerprint,
) -> Result<HashMap<PassageId, Vec<f32>>> {
    let mut vectors = HashMap::with_capacity(rows.len());
    let mut others = Vec::new();
    for row in rows {
        if row.model_fingerprint == model.0 {
            vectors.insert(row.id, own(key, row)?);
        } else {
            others.push(row.id);
        }
    }
    if others.is_empty() {
        return Ok(vectors);
    }
    let stored = beside::Entity::find()
        .filter(beside::Column::WorkspaceId.eq(tx.workspace()))
        .filter(beside::Column::PassageId.is_in(others))
        .filter(beside::Column::ModelFingerprint.eq(model.0.to_vec()))
        .all(tx.db())
        .await?;
    for row in stored {
        let opened = key.open(&place(&row.workspace_id, row.passage_id, model), &row.vector_sealed)?;
        vectors.insert(row.passage_id, numbers(&opened, row.passage_id)?);
    }
    Ok(vectors)
}

/// Passages of the workspace that lack a vector of this model.
pub(crate) fn lacking(tx: &WorkspaceTx, model: Fingerprint) -> Select<passages::Entity> {
    let stored = Query::select()
        .expr(Expr::value(1))
        .from(beside::Entity)
        .and_where(Expr::col((beside::Entity, beside::Column::WorkspaceId)).eq(tx.workspace()))
        .and_where(
            Expr::col((beside::Entity, beside::Column::PassageId)).equals((passages::Entity, passages::Column::Id)),
        )
        .and_where(Expr::col((beside::Entity, beside::Column::ModelFingerprint)).eq(model.0.to_vec()))
        .to_owned();
    passages::Entity::find()
        .filter(passages::Column::WorkspaceId.eq(tx.workspace()))
        .filter(passages::Column::ModelFingerprint.ne(model.0.to_vec()))
        .filter(Expr::exists(stored).not())
}

/// Passages of the workspace that lack a vector of this model though they can be found.
pub(crate) fn findable_lacking(tx: &WorkspaceTx, model: Fingerprint) -> Select<passages::Entity> {
    lacking(tx, model).filter(passages::Column::KnowledgeVersion.gt(0))
}

/// The next of these passages, by key.
pub(crate) fn step(query: Select<passages::Entity>, after: PassageId, limit: usize) -> Select<passages::Entity> {
    let query = query.filter(passages::Column::Id.gt(after)).order_by_asc(passages::Column::Id);
    query.limit(u64::try_from(limit).unwrap_or(u64::MAX))
}

/// Vectors of these passages, made now from what is stored of them, in their order.
///
/// # Errors
/// What the embedder answers; `Corrupt` where a text cannot be opened.
pub(crate) async fn embed(key: &Key, embedder: &dyn Embedder, rows: &[passages::Model]) -> Result<Vec<Vec<f32>>> {
    let mut texts = Vec::with_capacity(rows.len());
    for row in rows {
        let place = |column| Place::new(row.workspace_id, "passages", column, row.id.0);
        let headings = key.open_text(&place("headings_sealed"), &row.headings_sealed)?;
        let headings: Vec<String> = headings.lines().map(str::to_owned).collect();
        let text = key.open_text(&place("text_sealed"), &row.text_sealed)?;
        texts.push(chunk::embedded_text(&headings, &text));
    }
    let vectors = embedder.embed(EmbedKind::Passage, texts).await?;
    if vectors.len() != rows.len() {
        return Err(Error::internal("the embedder answered too few vectors"));
    }
    Ok(vectors)
}

/// Stores vectors beside these passages; one that was deleted meanwhile is left out, and one that is there stays. The
/// transaction holds the workspace's row, so that it and a deletion never wait for each other crosswise.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn store_beside(
    tx: &WorkspaceTx,
    key: &Key,
    model: Fingerprint,
    vectors: impl IntoIterator<Item = (PassageId, Vec<f32>)>,
) -> Result<()> {
    let vectors: Vec<(PassageId, Vec<f32>)> = vectors.into_iter().collect();
    // Held until the end, so that no deletion comes between.
    let stored: HashSet<PassageId> = passages::Entity::find()
        .filter(passages::Column::WorkspaceId.eq(tx.workspace()))
        .filter(passages::Column::Id.is_in(vectors.iter().map(|(id, _)| *id)))
        .select_only()
        .column(passages::Column::Id)
        .lock(LockType::KeyShare)
        .into_tuple()
        .all(tx.db())
        .await?
        .into_iter()
        .collect();
    let rows: Vec<beside::ActiveModel> = vectors
        .into_iter()
        .filter(|(id, _)| stored.contains(id))
        .map(|(id, vector)| beside::ActiveModel {
            workspace_id: Set(tx.workspace()),
            passage_id: Set(id),
            model_fingerprint: Set(model.0.to_vec()),
            vector_sealed: Set(key.seal(&place(&tx.workspace(), id, model), &bytes(&vector))),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let key_columns = [beside::Column::WorkspaceId, beside::Column::PassageId, beside::Column::ModelFingerprint];
    let stays = OnConflict::columns(key_columns).do_nothing().to_owned();
    beside::Entity::insert_many(rows).on_conflict(stays).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Embeds what passages of a document's version lack of this embedder's model.
///
/// # Errors
/// What the embedder answers; `Unavailable`.
pub(crate) async fn complete(
    scope: &Scope,
    knowledge: &Knowledge,
    document: (DocumentId, i64),
    embedder: &dyn Embedder,
) -> Result<()> {
    let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
    let model = embedder.model().fingerprint;
    loop {
        let rows = {
            let tx = knowledge.store.read(scope).await?;
            let of_version = lacking(&tx, model)
                .filter(passages::Column::DocumentId.eq(document.0))
                .filter(passages::Column::DocumentVersion.eq(document.1));
            of_version.limit(STEP as u64).all(tx.db()).await?
        };
        if rows.is_empty() {
            return Ok(());
        }
        let vectors = embed(&key, embedder, &rows).await?;
        let tx = knowledge.store.write(scope).await?;
        workspaces::hold(&tx).await?;
        store_beside(&tx, &key, model, rows.iter().map(|row| row.id).zip(vectors)).await?;
        tx.commit().await?;
    }
}

/// Little-endian 32-bit floats.
pub(crate) fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8], passage: PassageId) -> Result<Vec<f32>> {
    if !bytes.len().is_multiple_of(4) {
        return Err(Error::new(ErrorKind::Corrupt, format!("The vector of {passage} has {} bytes.", bytes.len())));
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// A vector of another model is bound to that model, too.
fn place(workspace: &consigne_foundation::id::WorkspaceId, passage: PassageId, model: Fingerprint) -> Place {
    let place = Place::new(*workspace, "passage_vectors", "vector_sealed", passage.0);
    model.0.chunks_exact(8).fold(place, |place, eight| {
        place.part(i64::from_le_bytes(eight.try_into().expect("a piece of eight bytes has eight")))
    })
}
