//! Deleting a document: its passages cannot be found any more when the call answers, and its row stays until vectors and
//! file are gone, so that nothing says "deleted" before.
//!
//! The first transaction takes it out of every search and enqueues the rest, so that a crash or a store that is down
//! leaves a job, not an orphan. Where the index is in this process the rest is done while somebody waits. A server takes
//! longer, and may be down: the job takes the points away, and the next [`super::purge`] the row, once no byte of them is
//! left on the server's disk.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, Permission, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::DocumentId,
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    store::{Notice, Topic, WorkspaceTx},
    workspaces,
};
use consigne_sdk::Residency;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, sea_query::Expr};
use tokio::time::timeout;

use super::{
    Knowledge,
    documents::{self, Document, DocumentStage, DocumentState},
    lexicon, purge, search,
};
use crate::entity::{citations, documents as table, passages};

const JOB: &str = "delete-document";

/// The job that finishes a deletion.
pub(crate) fn job(document: DocumentId) -> NewJob {
    NewJob::new(JOB, document.0).priority(2)
}

/// Documents that one purge takes the rows of.
const MOST_PURGED: u64 = 1_000;

/// How long somebody waits for what is nearly always done by then.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What became of a document that was deleted.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    /// The document on its way out; `None` where nothing of it is left.
    pub document: Option<Document>,
    /// Passages that cannot be found any more.
    pub passages: u64,
}

/// Deletes a document: it cannot be found any more, and either nothing of it is left or its job goes on until nothing is.
/// Once more for one that is on its way out says where it stands.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn delete(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<Withdrawn> {
    scope.require(Permission::KnowledgeWrite)?;
    let passages = withdraw(scope, knowledge, id).await?;
    if knowledge.registry.vector_index()?.residency() == Residency::Memory {
        finish_while_waited_for(scope, knowledge, id).await;
    }
    let tx = knowledge.store.read(scope).await?;
    let left = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    Ok(Withdrawn { document: left.map(Document::from), passages })
}

async fn withdraw(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<u64> {
    let tx = knowledge.store.write(scope).await?;
    let Some(gone) = withdraw_in(scope, &tx, id).await? else {
        // Unknown, or on its way out already.
        documents::get(scope, &knowledge.store, id).await?;
        return Ok(0);
    };
    tx.commit().await?;
    Ok(gone)
}

/// In a task of its own: a transaction is never cancelled halfway. Whatever goes wrong, the job goes on.
async fn finish_while_waited_for(scope: &Scope, knowledge: &Knowledge, id: DocumentId) {
    let (scope, knowledge) = (scope.clone(), knowledge.clone());
    let finishing = tokio::spawn(async move { finish(&scope, &knowledge, id).await });
    match timeout(AT_ONCE, finishing).await {
        Ok(Ok(Err(error))) => tracing::warn!(document = %id, %error, "a deletion goes on as a job"),
        Ok(Err(error)) => tracing::error!(document = %id, panicked = error.is_panic(), "a deletion goes on as a job"),
        Ok(Ok(Ok(()))) | Err(_) => {}
    }
}

/// Takes the document out of every search, with its passages and the quotes of it, and enqueues the rest. Answers with
/// the passages that went; nothing where it is unknown or going already. The audit log is written last.
pub(crate) async fn withdraw_in(scope: &Scope, tx: &WorkspaceTx, id: DocumentId) -> Result<Option<u64>> {
    let marked = table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(DocumentState::Deleting.name()))
        .col_expr(table::Column::Stage, Expr::value(DocumentStage::Queued.name()))
        .col_expr(table::Column::UpdatedAt, Expr::value(tx.store().now()))
        .col_expr(table::Column::ProgressSeq, Expr::col(table::Column::ProgressSeq).add(1))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::State.ne(DocumentState::Deleting.name()))
        .exec(tx.db())
        .await?;
    if marked.rows_affected == 0 {
        return Ok(None);
    }
    let key = tx.store().vault().workspace_key(scope.workspace()).await?;
    let (changes, fewer) = lexicon::recount(tx, &key, id, |_| false).await?;
    workspaces::next_knowledge_version(tx, fewer).await?;
    changes.write(tx).await?;
    let gone = passages::Entity::delete_many()
        .filter(passages::Column::WorkspaceId.eq(scope.workspace()))
        .filter(passages::Column::DocumentId.eq(id))
        .exec(tx.db())
        .await?;
    citations::Entity::update_many()
        .col_expr(citations::Column::TitleSealed, Expr::value(Vec::<u8>::new()))
        .col_expr(citations::Column::QuoteSealed, Expr::value(Vec::<u8>::new()))
        .col_expr(citations::Column::LocationSealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(citations::Column::WorkspaceId.eq(scope.workspace()))
        .filter(citations::Column::DocumentId.eq(id))
        .exec(tx.db())
        .await?;
    jobs::enqueue(tx, job(id)).await?;
    tx.notify(Notice { topic: Topic::Document, id: id.0 });
    audit::append(scope, tx, Event::new("document.deleted").target("document", id.0)).await?;
    Ok(Some(gone.rows_affected))
}

/// Takes away vectors and file; counts before it records that they are gone. Then the row, or, where the index is a server,
/// whatever takes the bytes from its disk. May be repeated.
async fn finish(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<()> {
    let row = {
        let tx = knowledge.store.read(scope).await?;
        table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?
    };
    let Some(row) = row else { return Ok(()) };
    let index = knowledge.registry.vector_index()?;
    search::remove_document(scope, knowledge, id).await?;
    knowledge.blobs.delete(&row.blob_key).await?;
    if knowledge.blobs.exists(&row.blob_key).await? {
        return Err(Error::new(ErrorKind::Unavailable, format!("The file of {id} is still stored.")));
    }
    match index.residency() {
        Residency::Memory => record_gone(scope, knowledge, id).await,
        Residency::Server => await_purge(scope, knowledge, id).await,
    }
}

/// Says on the row that only bytes on the server's disk are left, and asks for the purge that takes them.
async fn await_purge(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<()> {
    let tx = knowledge.store.write(scope).await?;
    table::Entity::update_many()
        .col_expr(table::Column::Stage, Expr::value(DocumentStage::Purging.name()))
        .col_expr(table::Column::UpdatedAt, Expr::value(tx.store().now()))
        .col_expr(table::Column::ProgressSeq, Expr::col(table::Column::ProgressSeq).add(1))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    purge::soon(&tx, knowledge).await?;
    tx.notify(Notice { topic: Topic::Document, id: id.0 });
    tx.commit().await
}

/// Some of the documents of which only bytes on the server's disk are left.
pub(crate) async fn awaiting_purge(scope: &Scope, knowledge: &Knowledge) -> Result<Vec<DocumentId>> {
    let tx = knowledge.store.read(scope).await?;
    let waiting = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::State.eq(DocumentState::Deleting.name()))
        .filter(table::Column::Stage.eq(DocumentStage::Purging.name()))
        .limit(MOST_PURGED)
        .select_only()
        .column(table::Column::Id);
    Ok(waiting.into_tuple().all(tx.db()).await?)
}

/// Takes the row of a document away of which nothing else is left.
pub(crate) async fn record_gone(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<()> {
    let tx = knowledge.store.write(scope).await?;
    let gone = table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    if gone.rows_affected == 0 {
        // The request and its job both finish it; the first one records.
        return Ok(());
    }
    tx.notify(Notice { topic: Topic::Document, id: id.0 });
    audit::append(scope, &tx, Event::new("document.purged").target("document", id.0)).await?;
    tx.commit().await
}

/// Finishes deletions that were interrupted.
pub struct DeleteHandler(pub Knowledge);

#[async_trait]
impl JobHandler for DeleteHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    fn never_gives_up(&self) -> bool {
        true
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        finish(&job.scope, &self.0, DocumentId(job.target)).await?;
        self.0.store.purge_deleted_bytes().await?;
        Ok(Outcome::Done)
    }
}
