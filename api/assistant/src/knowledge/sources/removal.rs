//! Deleting a source: its documents are out of every search when the call answers, and gone before the source is.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope,
    audit::{self, Event},
    id::{DocumentId, SourceId},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Source, SourceState, crawl, find, frontier::Round, hold};
use crate::{
    entity::{documents, source_pages, sources as table},
    knowledge::{Knowledge, deletion, documents::DocumentState},
};

const JOB: &str = "delete-source";

/// A look at documents that are still going.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What went with a source.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    /// The source, on its way out.
    pub source: Source,
    /// Documents that cannot be found any more.
    pub documents: u64,
    /// Passages that went with them.
    pub passages: u64,
}

/// The job that finishes a deletion.
pub(super) fn job(source: SourceId) -> NewJob {
    NewJob::new(JOB, source.0).priority(2)
}

/// Deletes a source and its documents. Where this is interrupted, its job goes on.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn delete(scope: &Scope, knowledge: &Knowledge, id: SourceId) -> Result<Withdrawn> {
    scope.require(Permission::KnowledgeWrite)?;
    // Read first: the job may be through with the source before this call is.
    let source = mark(scope, knowledge, id).await?;
    let (documents, passages) = withdraw_documents(scope, knowledge, id).await?;
    Ok(Withdrawn { source, documents, passages })
}

/// From here on nothing is crawled, and the job goes to the end.
async fn mark(scope: &Scope, knowledge: &Knowledge, id: SourceId) -> Result<Source> {
    let tx = knowledge.store.write(scope).await?;
    let row = hold(&tx, id).await?;
    if row.state == SourceState::Deleting.name() {
        return Err(Error::not_found("source"));
    }
    Round { source: id, number: row.crawl }
        .update(&tx)
        .col_expr(table::Column::State, Expr::value(SourceState::Deleting.name()))
        .exec(tx.db())
        .await?;
    jobs::cancel(&tx, crawl::JOB, [id.0]).await?;
    jobs::enqueue(&tx, job(id)).await?;
    let source = find(&tx, id).await?.into();
    audit::append(scope, &tx, Event::new("source.deleted").target("source", id.0)).await?;
    tx.commit().await?;
    Ok(source)
}

/// Takes the source's documents out of every search, each in a transaction of its own: two in one would wait crosswise for
/// an ingest that publishes. Answers how many documents and passages.
async fn withdraw_documents(scope: &Scope, knowledge: &Knowledge, id: SourceId) -> Result<(u64, u64)> {
    let (mut gone, mut passages) = (0, 0);
    loop {
        let tx = knowledge.store.write(scope).await?;
        let some: Vec<DocumentId> = of_source(scope, id)
            .filter(documents::Column::State.ne(DocumentState::Deleting.name()))
            .select_only()
            .column(documents::Column::Id)
            .limit(1)
            .into_tuple()
            .all(tx.db())
            .await?;
        if some.is_empty() {
            return Ok((gone, passages));
        }
        for document in some {
            if let Some(with_it) = deletion::withdraw_in(scope, &tx, document).await? {
                gone += 1;
                passages += with_it;
            }
        }
        tx.commit().await?;
    }
}

fn of_source(scope: &Scope, id: SourceId) -> sea_orm::Select<documents::Entity> {
    documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(scope.workspace()))
        .filter(documents::Column::SourceId.eq(id.0))
}

/// Takes the rows away, once no document of the source is left. Says whether none is. May be repeated.
async fn finish(scope: &Scope, knowledge: &Knowledge, id: SourceId) -> Result<bool> {
    let tx = knowledge.store.write(scope).await?;
    match hold(&tx, id).await {
        Ok(row) if row.state == SourceState::Deleting.name() => {}
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    }
    if of_source(scope, id).one(tx.db()).await?.is_some() {
        return Ok(false);
    }
    let pages = source_pages::Entity::delete_many()
        .filter(source_pages::Column::WorkspaceId.eq(scope.workspace()))
        .filter(source_pages::Column::SourceId.eq(id))
        .exec(tx.db())
        .await?;
    Round { source: id, number: 0 }.update(&tx).exec(tx.db()).await?;
    table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    let event = Event::new("source.purged").target("source", id.0).detail("pages", pages.rows_affected);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(true)
}

/// Finishes deletions of sources.
pub struct DeleteSourceHandler(pub Knowledge);

#[async_trait]
impl JobHandler for DeleteSourceHandler {
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
        let id = SourceId(job.target);
        withdraw_documents(&job.scope, &self.0, id).await?;
        if finish(&job.scope, &self.0, id).await? { Ok(Outcome::Done) } else { Ok(Outcome::Later(LOOK_AGAIN)) }
    }
}
