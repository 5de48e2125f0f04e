//! Deleting a document: passages, vectors and blob are gone before it says so.
//!
//! The first transaction takes it out of every search and enqueues the rest, so that a crash or a store that is down
//! leaves a job, not an orphan.

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
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::{Knowledge, documents::DocumentState, lexicon, purge, search};
use crate::entity::{citations, documents as table, passages};

const JOB: &str = "delete-document";

/// The job that finishes a deletion.
pub(crate) fn job(document: DocumentId) -> NewJob {
    NewJob::new(JOB, document.0).priority(2)
}

/// Deletes a document for good and says how many passages went with it.
///
/// # Errors
/// `Forbidden`, `NotFound`; `Unavailable` where a store is down: the document cannot be found any more, and the rest is
/// tried again by itself.
pub async fn delete(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<u64> {
    scope.require(Permission::KnowledgeWrite)?;
    let passages = withdraw(scope, knowledge, id).await?;
    finish(scope, knowledge, id, Purging::Now).await?;
    Ok(passages)
}

async fn withdraw(scope: &Scope, knowledge: &Knowledge, id: DocumentId) -> Result<u64> {
    let tx = knowledge.store.write(scope).await?;
    let gone = withdraw_in(scope, &tx, id).await?.ok_or_else(|| Error::not_found("document"))?;
    tx.commit().await?;
    Ok(gone)
}

/// Takes the document out of every search, with its passages and the quotes of it, and enqueues the rest. Answers with
/// the passages that went; nothing where it is unknown or going already. The audit log is written last.
pub(crate) async fn withdraw_in(scope: &Scope, tx: &WorkspaceTx, id: DocumentId) -> Result<Option<u64>> {
    let marked = table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(DocumentState::Deleting.name()))
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

/// When the bytes leave the storage of an index that is a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purging {
    /// Before this answers: somebody waits to hear that it is gone.
    Now,
    /// With those of other documents, by a job.
    Soon,
}

/// Takes away vectors, blob and row; counts before it records that they are gone. May be repeated.
async fn finish(scope: &Scope, knowledge: &Knowledge, id: DocumentId, purging: Purging) -> Result<()> {
    let row = {
        let tx = knowledge.store.read(scope).await?;
        table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?
    };
    let Some(row) = row else { return Ok(()) };
    let partition = search::sync(scope, knowledge).await?;
    let index = knowledge.registry.vector_index()?;
    index.remove_document(&partition, id.0).await?;
    if index.remove_document(&partition, id.0).await? > 0 {
        return Err(Error::new(ErrorKind::Unavailable, format!("Vectors of {id} came back while it was deleted.")));
    }
    if purging == Purging::Now {
        index.purge(&partition).await?;
    }
    knowledge.blobs.delete(&row.blob_key).await?;
    if knowledge.blobs.exists(&row.blob_key).await? {
        return Err(Error::new(ErrorKind::Unavailable, format!("The file of {id} is still stored.")));
    }
    let tx = knowledge.store.write(scope).await?;
    let gone = table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    if gone.rows_affected == 0 {
        // The request and its job both finish it; the first one records.
        return Ok(());
    }
    if purging == Purging::Soon {
        purge::soon(&tx, knowledge).await?;
    }
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
        finish(&job.scope, &self.0, DocumentId(job.target), Purging::Soon).await?;
        self.0.store.purge_deleted_bytes().await?;
        Ok(Outcome::Done)
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        Ok(())
    }
}
