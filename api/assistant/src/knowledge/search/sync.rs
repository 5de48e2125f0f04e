//! The index, in step with the database.
//!
//! An index in this process's memory is brought in step before each search, by the workspace's knowledge version: nothing
//! to do where the versions agree, else only what is new is read.
//!
//! A server is written to when knowledge changes: a document's points go there before it is published ([`write_ahead`]) and
//! the replaced ones go after ([`take_away`]), so that a searcher never meets neither; which of both is seen is decided by
//! the database alone, where every passage found is read. What a crash leaves in between, [`reconcile`] finds.
//!
//! A partition holds every passage that can be found. Where one lacks a vector of the partition's model, because that model
//! cannot be had any more, it is there with its words alone. While the embedding model changes, the new model's partition is
//! written and emptied along; [`fill`] fills it before anybody searches it.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use consigne_foundation::{
    Error, Result, Scope,
    error::ErrorKind,
    id::{DocumentId, PassageId},
    store::WorkspaceTx,
    workspaces,
};
use consigne_sdk::{Partition, Residency, VectorIndex};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    super::{
        Knowledge,
        embeddings::model::{self, IndexedModel},
    },
    points::{Lacking, PointReader},
};
use crate::entity::passages as table;

/// Passages read from the database in one step while an index is filled.
const PAGE: u64 = 2_000;

/// How long somebody who asks waits for the index.
const LONGEST_SEARCH: Duration = Duration::from_secs(5);

/// What the index finds, as long as somebody waits for it.
///
/// # Errors
/// `Unavailable`, in words for whoever asks, where the index is down or silent.
pub(crate) async fn in_time<T>(found: impl Future<Output = consigne_sdk::Result<T>>) -> Result<T> {
    let away = || Error::new(ErrorKind::Unavailable, "The knowledge cannot be searched right now. Try again later.");
    match timeout(LONGEST_SEARCH, found).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) if error.is_retryable() => Err(away().because(error)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(away()),
    }
}

/// Whether the index is a server that is down.
///
/// # Errors
/// Whatever is not over when the server is back.
pub(crate) async fn is_index_away(scope: &Scope, knowledge: &Knowledge) -> Result<bool> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        return Ok(false);
    }
    match index.version(&searched(scope, knowledge).await?.partition).await {
        Ok(_) => Ok(false),
        Err(error) if error.is_retryable() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The partition that is searched, brought in step with the database where the index is in this process.
///
/// # Errors
/// `Unavailable`; `Corrupt` where a stored vector cannot be opened.
pub async fn sync(scope: &Scope, knowledge: &Knowledge) -> Result<Partition> {
    let model = searched(scope, knowledge).await?;
    sync_to(scope, knowledge, model).await?;
    Ok(model.partition)
}

/// As [`sync`], of the model that is known to be searched with.
///
/// # Errors
/// As [`sync`].
pub(crate) async fn sync_to(scope: &Scope, knowledge: &Knowledge, model: IndexedModel) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Server {
        return Ok(());
    }
    bring_in_step(scope, knowledge, model, Lacking::WordsAlone).await?;
    drop_unsearched(scope, knowledge, model).await
}

/// Fills the partition of a model that is going to be searched with, as far as there are vectors of it.
///
/// # Errors
/// As [`sync`].
pub(crate) async fn fill(scope: &Scope, knowledge: &Knowledge, model: IndexedModel) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    match index.residency() {
        Residency::Memory => bring_in_step(scope, knowledge, model, Lacking::LeftOut).await,
        Residency::Server => {
            compare(scope, knowledge, &index, model, Lacking::LeftOut, |_, _| {}).await?;
            Ok(())
        }
    }
}

async fn bring_in_step(scope: &Scope, knowledge: &Knowledge, model: IndexedModel, lacking: Lacking) -> Result<()> {
    let (index, partition) = (knowledge.registry.vector_index()?, model.partition);
    if index.version(&partition).await? == Some(stored_version(scope, knowledge).await?) {
        return Ok(());
    }
    let turn = knowledge.syncing.lock().await.entry(partition).or_default().clone();
    let _turn = turn.lock().await;
    // A search that began before a switch does not bring back what went with it; it finds nothing and looks again.
    if !model::indexed(scope, knowledge).await?.contains(&model) {
        return Ok(());
    }
    let have = index.version(&partition).await?;
    let tx = knowledge.store.read(scope).await?;
    let target = workspaces::knowledge_version(&tx).await?;
    if have == Some(target) {
        return Ok(());
    }
    let reader = PointReader::of(scope, knowledge, model, lacking).await?;
    let mut after = None;
    loop {
        let rows = page(&tx, have.unwrap_or(0), after).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        let points = reader.read(&tx, &rows).await?;
        if points.len() < rows.len() {
            return Ok(());
        }
        // Not in step before the last page is in.
        index.apply(&partition, points, &[], have.unwrap_or(-1)).await?;
    }
    let gone = gone(&tx, &index, &partition).await?;
    index.apply(&partition, Vec::new(), &gone, target).await?;
    Ok(())
}

/// Forgets partitions of this process that a change of the model left behind, wherever it was made.
async fn drop_unsearched(scope: &Scope, knowledge: &Knowledge, searched: IndexedModel) -> Result<()> {
    let is_other =
        |other: &Partition| other.workspace() == searched.partition.workspace() && *other != searched.partition;
    let others: Vec<Partition> = knowledge.syncing.lock().await.keys().copied().filter(is_other).collect();
    if others.is_empty() {
        return Ok(());
    }
    let indexed = model::indexed(scope, knowledge).await?;
    for other in others.into_iter().filter(|other| indexed.iter().all(|model| model.partition != *other)) {
        let turn = knowledge.syncing.lock().await.entry(other).or_default().clone();
        let _turn = turn.lock().await;
        knowledge.registry.vector_index()?.drop_partition(&other).await?;
        knowledge.syncing.lock().await.remove(&other);
    }
    Ok(())
}

/// Brings the passages of a document's version to an index that is a server, before anybody may find them there. Those that
/// were deleted meanwhile are taken away again: whoever deletes later takes them away themselves.
///
/// # Errors
/// `Unavailable`: nothing is lost, the ingest goes on when the server is back.
pub(crate) async fn write_ahead(
    scope: &Scope,
    knowledge: &Knowledge,
    document: DocumentId,
    version: i64,
) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        return Ok(());
    }
    for (position, model) in model::indexed(scope, knowledge).await?.into_iter().enumerate() {
        // The first one is searched.
        let lacking = if position == 0 { Lacking::WordsAlone } else { Lacking::LeftOut };
        let reader = PointReader::of(scope, knowledge, model, lacking).await?;
        let have = index.version(&model.partition).await?.unwrap_or(-1);
        let mut after = None;
        loop {
            let tx = knowledge.store.read(scope).await?;
            let of_version = stored(&tx)
                .filter(table::Column::DocumentId.eq(document))
                .filter(table::Column::DocumentVersion.eq(version));
            let rows = behind(of_version, after).all(tx.db()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            let points = reader.read(&tx, &rows).await?;
            drop(tx);
            index.apply(&model.partition, points, &[], have).await?;
            take_back_deleted(scope, knowledge, rows.iter().map(|row| row.id)).await?;
        }
        // A change of the model was over before the points came.
        if !model::indexed(scope, knowledge).await?.contains(&model) {
            index.drop_partition(&model.partition).await?;
        }
    }
    Ok(())
}

/// Brings passages once more to an index that is a server, where they were by their words alone.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn put_again(
    scope: &Scope,
    knowledge: &Knowledge,
    model: IndexedModel,
    passages: &[PassageId],
) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory || passages.is_empty() {
        return Ok(());
    }
    let reader = PointReader::of(scope, knowledge, model, Lacking::LeftOut).await?;
    let tx = knowledge.store.read(scope).await?;
    let version = workspaces::knowledge_version(&tx).await?;
    let rows = stored(&tx).filter(table::Column::Id.is_in(passages.iter().copied())).all(tx.db()).await?;
    let points = reader.read(&tx, &rows).await?;
    drop(tx);
    index.apply(&model.partition, points, &[], version).await?;
    take_back_deleted(scope, knowledge, passages.iter().copied()).await
}

/// Brings those of these passages that can be found to an index that is a server, in the place of their points there.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn put_ahead(scope: &Scope, knowledge: &Knowledge, rows: &[table::Model]) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        return Ok(());
    }
    let rows: Vec<table::Model> = rows.iter().filter(|row| row.knowledge_version > 0).cloned().collect();
    for (position, model) in model::indexed(scope, knowledge).await?.into_iter().enumerate() {
        let lacking = if position == 0 { Lacking::WordsAlone } else { Lacking::LeftOut };
        let reader = PointReader::of(scope, knowledge, model, lacking).await?;
        let points = {
            let tx = knowledge.store.read(scope).await?;
            reader.read(&tx, &rows).await?
        };
        let have = index.version(&model.partition).await?.unwrap_or(-1);
        index.apply(&model.partition, points, &[], have).await?;
    }
    take_back_deleted(scope, knowledge, rows.iter().map(|row| row.id)).await
}

/// Takes away those points whose passage was deleted while they were brought.
async fn take_back_deleted(
    scope: &Scope,
    knowledge: &Knowledge,
    brought: impl Iterator<Item = PassageId>,
) -> Result<()> {
    let brought: Vec<PassageId> = brought.collect();
    let tx = knowledge.store.read(scope).await?;
    let stored: HashSet<PassageId> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.is_in(brought.iter().copied()))
        .select_only()
        .column(table::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?
        .into_iter()
        .collect();
    drop(tx);
    let deleted: Vec<Uuid> = brought.into_iter().filter(|id| !stored.contains(id)).map(|id| id.0).collect();
    if deleted.is_empty() { Ok(()) } else { take_away(scope, knowledge, &deleted).await }
}

/// Takes passages that were replaced away from an index that is a server, after nobody can find them any more.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn take_away(scope: &Scope, knowledge: &Knowledge, passages: &[Uuid]) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Server {
        let version = stored_version(scope, knowledge).await?;
        for model in model::indexed(scope, knowledge).await? {
            index.apply(&model.partition, Vec::new(), passages, version).await?;
        }
    }
    Ok(())
}

/// Makes what was removed unreadable in the index's storage, too.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn purge(scope: &Scope, knowledge: &Knowledge) -> Result<()> {
    let index = knowledge.registry.vector_index()?;
    for model in model::indexed(scope, knowledge).await? {
        index.purge(&model.partition).await?;
    }
    Ok(())
}

/// Takes a document's points away, from each partition that may have some, and makes sure that none came back.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn remove_document(scope: &Scope, knowledge: &Knowledge, document: DocumentId) -> Result<()> {
    sync(scope, knowledge).await?;
    let index = knowledge.registry.vector_index()?;
    for model in model::indexed(scope, knowledge).await? {
        index.remove_document(&model.partition, document.0).await?;
        if index.remove_document(&model.partition, document.0).await? > 0 {
            let message = format!("Vectors of {document} came back while it was deleted.");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
    }
    Ok(())
}

/// What [`reconcile`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Passages that can be found.
    pub stored: u64,
    /// Points that the index has now.
    pub indexed: u64,
    /// Points that it lacked.
    pub put: u64,
    /// Points that it had too many.
    pub removed: u64,
}

/// Makes an index hold exactly what the database says, without embedding anything, and counts both sides. May be stopped
/// and run again: what is there already is not sent twice. `progress` is told how many of how many are done.
///
/// # Errors
/// `Unavailable`; `Corrupt` where a stored vector cannot be opened.
pub async fn reconcile(scope: &Scope, knowledge: &Knowledge, mut progress: impl FnMut(u64, u64)) -> Result<Reconciled> {
    let model = searched(scope, knowledge).await?;
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        sync_to(scope, knowledge, model).await?;
        let stored = count_findable(scope, knowledge).await?;
        progress(stored, stored);
        return Ok(Reconciled { stored, indexed: index.count(&model.partition).await?, ..Reconciled::default() });
    }
    compare(scope, knowledge, &index, model, Lacking::WordsAlone, progress).await
}

async fn compare(
    scope: &Scope,
    knowledge: &Knowledge,
    index: &Arc<dyn VectorIndex>,
    model: IndexedModel,
    lacking: Lacking,
    mut progress: impl FnMut(u64, u64),
) -> Result<Reconciled> {
    let partition = model.partition;
    let reader = PointReader::of(scope, knowledge, model, lacking).await?;
    let all = count_findable(scope, knowledge).await?;
    let target = stored_version(scope, knowledge).await?;
    let mut unknown: HashSet<Uuid> = index.passages(&partition).await?.into_iter().collect();
    let (mut done, mut put, mut after) = (0, 0, None);
    loop {
        let tx = knowledge.store.read(scope).await?;
        let ids = ids_behind(&tx, after).await?;
        let Some((last, _)) = ids.last() else { break };
        after = Some(*last);
        // A passage that waits to be published stays where it is, and is not brought there.
        done += ids.iter().filter(|(_, is_findable)| *is_findable).count() as u64;
        let missing = ids.into_iter().filter(|(id, is_findable)| !unknown.remove(&id.0) && *is_findable);
        let missing: Vec<PassageId> = missing.map(|(id, _)| id).collect();
        let rows = findable(&tx).filter(table::Column::Id.is_in(missing)).all(tx.db()).await?;
        let points = reader.read(&tx, &rows).await?;
        put += points.len() as u64;
        drop(tx);
        index.apply(&partition, points, &[], -1).await?;
        take_back_deleted(scope, knowledge, rows.iter().map(|row| row.id)).await?;
        progress(done.min(all), all);
    }
    let orphans: Vec<Uuid> = unknown.into_iter().collect();
    index.apply(&partition, Vec::new(), &orphans, target).await?;
    if !orphans.is_empty() {
        index.purge(&partition).await?;
    }
    let stored = count_findable(scope, knowledge).await?;
    let indexed = index.count(&partition).await?;
    Ok(Reconciled { stored, indexed, put, removed: orphans.len() as u64 })
}

/// Whether the index has as many points as there are passages; always so where it is filled on use.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn compare_counts(scope: &Scope, knowledge: &Knowledge) -> Result<bool> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        return Ok(true);
    }
    let partition = searched(scope, knowledge).await?.partition;
    Ok(count_findable(scope, knowledge).await? == index.count(&partition).await?)
}

/// Whether the index has the points of all passages and no others: one too few and one too many look alike when they are
/// only counted.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn compare_ids(scope: &Scope, knowledge: &Knowledge) -> Result<bool> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        return Ok(true);
    }
    let partition = searched(scope, knowledge).await?.partition;
    let mut unknown: HashSet<Uuid> = index.passages(&partition).await?.into_iter().collect();
    let (tx, mut after) = (knowledge.store.read(scope).await?, None);
    loop {
        let ids = ids_behind(&tx, after).await?;
        let Some((last, _)) = ids.last() else { return Ok(unknown.is_empty()) };
        after = Some(*last);
        if ids.into_iter().any(|(id, is_findable)| !unknown.remove(&id.0) && is_findable) {
            return Ok(false);
        }
    }
}

async fn searched(scope: &Scope, knowledge: &Knowledge) -> Result<IndexedModel> {
    Ok(model::current(scope, knowledge).await?.indexed(scope))
}

async fn count_findable(scope: &Scope, knowledge: &Knowledge) -> Result<u64> {
    let tx = knowledge.store.read(scope).await?;
    Ok(findable(&tx).count(tx.db()).await?)
}

async fn stored_version(scope: &Scope, knowledge: &Knowledge) -> Result<i64> {
    let tx = knowledge.store.read(scope).await?;
    workspaces::knowledge_version(&tx).await
}

/// Passages, findable or not yet.
fn stored(tx: &WorkspaceTx) -> Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace()))
}

/// Passages that can be found.
fn findable(tx: &WorkspaceTx) -> Select<table::Entity> {
    stored(tx).filter(table::Column::KnowledgeVersion.gt(0))
}

fn behind(query: Select<table::Entity>, after: Option<PassageId>) -> Select<table::Entity> {
    let query = query.order_by_asc(table::Column::Id).limit(PAGE);
    match after {
        Some(after) => query.filter(table::Column::Id.gt(after)),
        None => query,
    }
}

/// A page of the ids of passages, and whether each can be found; no vector is read.
async fn ids_behind(tx: &WorkspaceTx, after: Option<PassageId>) -> Result<Vec<(PassageId, bool)>> {
    let ids: Vec<(PassageId, i64)> = behind(stored(tx), after)
        .select_only()
        .column(table::Column::Id)
        .column(table::Column::KnowledgeVersion)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(ids.into_iter().map(|(id, version)| (id, version > 0)).collect())
}

async fn page(tx: &WorkspaceTx, newer_than: i64, after: Option<PassageId>) -> Result<Vec<table::Model>> {
    let newer = stored(tx).filter(table::Column::KnowledgeVersion.gt(newer_than));
    Ok(behind(newer, after).all(tx.db()).await?)
}

/// Points in this process that the database does not have any more. Looked for only where the counts differ.
async fn gone(tx: &WorkspaceTx, index: &Arc<dyn VectorIndex>, partition: &Partition) -> Result<Vec<Uuid>> {
    if findable(tx).count(tx.db()).await? == index.count(partition).await? {
        return Ok(Vec::new());
    }
    without_passage(tx, index.passages(partition).await?).await
}

/// Those of the points whose passage is not in the database. A passage that waits to be published is.
async fn without_passage(tx: &WorkspaceTx, points: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let known: HashSet<Uuid> = stored(tx)
        .select_only()
        .column(table::Column::Id)
        .into_tuple::<PassageId>()
        .all(tx.db())
        .await?
        .into_iter()
        .map(|id| id.0)
        .collect();
    Ok(points.into_iter().filter(|id| !known.contains(id)).collect())
}

/// Points of a partition whose passage is not in the database, wherever the index is. A server is asked before the database
/// is, so that a document on its way there is not taken for gone.
async fn orphans(scope: &Scope, knowledge: &Knowledge, partition: &Partition) -> Result<Vec<Uuid>> {
    let index = knowledge.registry.vector_index()?;
    if index.residency() == Residency::Memory {
        let tx = knowledge.store.read(scope).await?;
        return gone(&tx, &index, partition).await;
    }
    let points = index.passages(partition).await?;
    let tx = knowledge.store.read(scope).await?;
    without_passage(&tx, points).await
}

/// Points of the workspace whose passage is not in the database. An index that was not filled yet has none.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn count_orphans(scope: &Scope, knowledge: &Knowledge) -> Result<u64> {
    let mut count = 0;
    for model in model::indexed(scope, knowledge).await? {
        count += orphans(scope, knowledge, &model.partition).await?.len() as u64;
    }
    Ok(count)
}

/// Takes points away whose passage is not in the database, until the index's storage does not have them either. Says how
/// many there were.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn remove_orphans(scope: &Scope, knowledge: &Knowledge) -> Result<u64> {
    let index = knowledge.registry.vector_index()?;
    let mut removed = 0;
    for model in model::indexed(scope, knowledge).await? {
        let orphans = orphans(scope, knowledge, &model.partition).await?;
        if orphans.is_empty() {
            continue;
        }
        // In this process, too: a partition that is filled for a switch to come is not brought in step by searches.
        let version = index.version(&model.partition).await?.unwrap_or(-1);
        index.apply(&model.partition, Vec::new(), &orphans, version).await?;
        index.purge(&model.partition).await?;
        removed += orphans.len() as u64;
    }
    sync(scope, knowledge).await?;
    Ok(removed)
}
