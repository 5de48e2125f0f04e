//! Finds what was left behind: documents whose job was lost, uploads that nobody completed, an index out of step.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope, Timestamp,
    audit::{self, Event},
    id::WorkspaceId,
    jobs::{self, Duty, DutyContext},
    leaving,
    privacy::exports,
    store::WorkspaceTx,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::Mutex;

use super::{Knowledge, deletion, documents::DocumentState, ingest, search};
use crate::entity::{documents, uploads};

/// A pending document that has not changed for this long has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The duty.
pub struct KnowledgeSweep(pub Knowledge);

#[async_trait]
impl Duty for KnowledgeSweep {
    fn name(&self) -> &'static str {
        "knowledge-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.drop_expired_uploads(&scope).await?;
        }
        Ok(())
    }
}

impl KnowledgeSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let before = store.now().minus(FORGOTTEN);
        let tx = store.write(scope).await?;
        let forgotten = documents::Entity::find()
            .filter(documents::Column::WorkspaceId.eq(scope.workspace()))
            .filter(documents::Column::State.is_in([DocumentState::Pending.name(), DocumentState::Deleting.name()]))
            .filter(documents::Column::UpdatedAt.lt(before))
            .limit(1_000)
            .all(tx.db())
            .await?;
        for document in forgotten {
            let is_deleting = document.state == DocumentState::Deleting.name();
            let job = if is_deleting { deletion::job(document.id) } else { ingest::job(document.id) };
            jobs::enqueue(&tx, job).await?;
        }
        tx.commit().await
    }

    async fn drop_expired_uploads(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let expired = {
            let tx = store.read(scope).await?;
            uploads::Entity::find()
                .filter(uploads::Column::WorkspaceId.eq(scope.workspace()))
                .filter(uploads::Column::ExpiresAt.lt(store.now()))
                .limit(1_000)
                .all(tx.db())
                .await?
        };
        for upload in expired {
            let tx = store.write(scope).await?;
            let gone = uploads::Entity::delete_by_id((scope.workspace(), upload.id)).exec(tx.db()).await?;
            tx.commit().await?;
            // One that was completed meanwhile has given its file to a document.
            if let (1, Some(blob)) = (gone.rows_affected, &upload.blob_key) {
                self.0.blobs.delete(blob).await?;
            }
        }
        Ok(())
    }
}

/// Between two comparisons of every id.
const COMPARE_IDS_EVERY: Duration = Duration::from_secs(3_600);

/// Compares what an index in a server holds with the database, and mends it: the counts at each run, every id once an hour.
/// A document on its way makes them differ for a while, so they have to differ in two runs.
pub struct IndexSweep {
    knowledge: Knowledge,
    /// Workspaces that were not in step at the last run.
    suspects: Mutex<HashSet<WorkspaceId>>,
    /// When every id was compared and found right.
    compared: Mutex<HashMap<WorkspaceId, Timestamp>>,
}

#[async_trait]
impl Duty for IndexSweep {
    fn name(&self) -> &'static str {
        "index-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let mut out_of_step = HashSet::new();
        for scope in context.scopes().await? {
            let workspace = scope.workspace();
            match self.look_at(&scope).await {
                Ok(true) => {}
                Ok(false) => drop(out_of_step.insert(workspace)),
                // The others are looked at all the same.
                Err(error) => tracing::warn!(%workspace, %error, "an index could not be compared with the database"),
            }
        }
        *self.suspects.lock().await = out_of_step;
        Ok(())
    }
}

impl IndexSweep {
    /// Over this knowledge.
    pub fn new(knowledge: Knowledge) -> Self {
        Self { knowledge, suspects: Mutex::default(), compared: Mutex::default() }
    }

    /// Whether the workspace's index is in step now.
    async fn look_at(&self, scope: &Scope) -> Result<bool> {
        let workspace = scope.workspace();
        if self.is_in_step(scope).await? {
            return Ok(true);
        }
        if !self.suspects.lock().await.contains(&workspace) {
            return Ok(false);
        }
        let mended = search::reconcile(scope, &self.knowledge, |_, _| {}).await?;
        let (stored, indexed, put, removed) = (mended.stored, mended.indexed, mended.put, mended.removed);
        tracing::warn!(%workspace, stored, indexed, put, removed, "an index was compared with the database and mended");
        if put + removed > 0 {
            let tx = self.knowledge.store.write(scope).await?;
            let event = Event::new("index.mended").detail("put", put).detail("removed", removed);
            audit::append(scope, &tx, event).await?;
            tx.commit().await?;
        }
        Ok(true)
    }

    async fn is_in_step(&self, scope: &Scope) -> Result<bool> {
        let (workspace, now) = (scope.workspace(), self.knowledge.store.now());
        if !search::compare_counts(scope, &self.knowledge).await? {
            return Ok(false);
        }
        let last = self.compared.lock().await.get(&workspace).copied();
        if last.is_some_and(|last| now < last.plus(COMPARE_IDS_EVERY)) {
            return Ok(true);
        }
        let agree = search::compare_ids(scope, &self.knowledge).await?;
        if agree {
            self.compared.lock().await.insert(workspace, now);
        }
        Ok(agree)
    }
}

/// Deletes files that nothing names: an upload that was sent twice, a replaced file whose store was down, what a crash left
/// half sent. A file has to be found without a name in two runs, so that one on its way to its row is left alone.
pub struct BlobSweep {
    /// Whose files.
    pub knowledge: Knowledge,
    /// Files without a name at the last run.
    pub suspects: Mutex<HashSet<String>>,
}

#[async_trait]
impl Duty for BlobSweep {
    fn name(&self) -> &'static str {
        "blob-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(2 * 3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let blobs = &self.knowledge.blobs;
        blobs.remove_abandoned(context.store().now().minus(Duration::from_secs(24 * 3_600))).await?;
        let mut unnamed = HashSet::new();
        for scope in context.scopes().await? {
            // Listed first: a file that comes later is not looked at, a row that comes later is seen.
            let stored = blobs.list(scope.workspace()).await?;
            let named = self.named(&scope).await?;
            unnamed.extend(stored.into_iter().filter(|path| !named.contains(path)));
        }
        let suspects = std::mem::replace(&mut *self.suspects.lock().await, unnamed.clone());
        for path in unnamed.intersection(&suspects) {
            blobs.delete(path).await?;
        }
        Ok(())
    }
}

impl BlobSweep {
    async fn named(&self, scope: &Scope) -> Result<HashSet<String>> {
        let tx = self.knowledge.store.read(scope).await?;
        let of_exports = exports::files(&tx).await?;
        let of_archives = leaving::exports::files(&tx).await?;
        Ok(files(&tx).await?.into_iter().chain(of_exports).chain(of_archives).collect())
    }
}

/// Files that rows of documents and uploads name.
pub(super) async fn files(tx: &WorkspaceTx) -> Result<Vec<String>> {
    let of_documents: Vec<String> = documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(tx.workspace()))
        .select_only()
        .column(documents::Column::BlobKey)
        .into_tuple()
        .all(tx.db())
        .await?;
    let of_uploads: Vec<Option<String>> = uploads::Entity::find()
        .filter(uploads::Column::WorkspaceId.eq(tx.workspace()))
        .select_only()
        .column(uploads::Column::BlobKey)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(of_documents.into_iter().chain(of_uploads.into_iter().flatten()).collect())
}
