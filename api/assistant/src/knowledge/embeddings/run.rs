//! The job: embeds every passage with the new model, fills its index, and switches.
//!
//! Batches go by key, and what is stored is not embedded again, so a run that is killed goes on where it ended. Passages are
//! embedded behind questions, in the lane of an ingest.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{EmbeddingChangeId, PassageId},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    privacy::{Purpose, instructions},
    workspaces,
};
use consigne_sdk::Embedder;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{
    super::{Knowledge, search},
    change::{self, ChangeState},
    clear,
    model::{self, SearchModel, fingerprint},
    vectors,
};
use crate::entity::embedding_changes as table;

pub(super) const JOB: &str = "change-embedding-model";

/// A look whether the workspace instructs again what it revoked.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The job of a change. What people wait for goes before it.
pub(super) fn job(change: EmbeddingChangeId) -> NewJob {
    NewJob::new(JOB, change.0).priority(8)
}

/// Changes the embedding model of a workspace.
pub struct ChangeHandler(pub Knowledge);

#[async_trait]
impl JobHandler for ChangeHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = EmbeddingChangeId(job.target);
        let row = {
            let tx = self.0.store.read(&job.scope).await?;
            table::Entity::find_by_id((job.scope.workspace(), id)).one(tx.db()).await?
        };
        let Some(row) = row.filter(|row| row.state == ChangeState::Running.name()) else { return Ok(Outcome::Done) };
        if !instructions::stands(&self.0.store.read(&job.scope).await?, Purpose::KnowledgeIndexing).await? {
            return Ok(Outcome::Later(LOOK_AGAIN));
        }
        let embedder = self.0.registry.embedder_named(&job.scope, &self.0.store, &row.to_plugin_id).await?;
        if embedder.model().fingerprint != fingerprint(&row.to_fingerprint) {
            let message = format!("The model {} is not there any more: its plugin has another now.", row.to_name);
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let to = SearchModel::of(embedder.model(), &row.to_plugin_id, row.is_chosen);
        let run = Run { knowledge: &self.0, scope: &job.scope, id, to, embedder: embedder.as_ref() };
        // Documents that were published meanwhile without the new model are embedded in a further round.
        while run.embed().await? {
            search::sync::fill(&job.scope, &self.0, run.to.indexed(&job.scope)).await?;
            if run.switch().await? {
                break;
            }
        }
        Ok(Outcome::Done)
    }

    async fn give_up(&self, job: &ClaimedJob, error: &Error) -> Result<()> {
        let id = EmbeddingChangeId(job.target);
        let tx = self.0.store.write(&job.scope).await?;
        if change::hold(&tx, id, ChangeState::Running).await?.is_none() {
            return Ok(());
        }
        let message = match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Internal => "The operator finds the reason in the log.",
            _ => error.message(),
        };
        change::end(&tx, id, ChangeState::Failed, Some(message)).await?;
        let event = Event::new("embedding_change.failed").target("embedding_change", id.0);
        audit::append(&job.scope, &tx, event).await?;
        tx.commit().await
    }
}

struct Run<'a> {
    knowledge: &'a Knowledge,
    scope: &'a Scope,
    id: EmbeddingChangeId,
    to: SearchModel,
    embedder: &'a dyn Embedder,
}

impl Run<'_> {
    /// Embeds the passages that can be found and lack a vector of the new model. Says whether the change still runs.
    async fn embed(&self) -> Result<bool> {
        let store = &self.knowledge.store;
        let key = store.vault().workspace_key(self.scope.workspace()).await?;
        let mut after = PassageId(Uuid::nil());
        loop {
            let rows = {
                let tx = store.read(self.scope).await?;
                let lacking = vectors::findable_lacking(&tx, self.to.fingerprint);
                vectors::step(lacking, after, vectors::STEP).all(tx.db()).await?
            };
            let Some(last) = rows.last() else { return Ok(true) };
            after = last.id;
            let embedded = vectors::embed(&key, self.embedder, &rows).await?;
            let tx = store.write(self.scope).await?;
            workspaces::hold(&tx).await?;
            if change::hold(&tx, self.id, ChangeState::Running).await?.is_none() {
                return Ok(false);
            }
            let embedded = rows.iter().map(|row| row.id).zip(embedded);
            vectors::store_beside(&tx, &key, self.to.fingerprint, embedded).await?;
            jobs::progressed(&tx, JOB, self.id.0).await?;
            tx.commit().await?;
        }
    }

    /// Searches go by the new model from now on; not yet where a passage was published meanwhile that lacks its vector. Says
    /// whether there is nothing more to do.
    async fn switch(&self) -> Result<bool> {
        let tx = self.knowledge.store.write(self.scope).await?;
        // Whoever publishes waits for the workspace's row, and sees the new model afterwards.
        workspaces::hold(&tx).await?;
        if change::hold(&tx, self.id, ChangeState::Running).await?.is_none() {
            return Ok(true);
        }
        if vectors::findable_lacking(&tx, self.to.fingerprint).count(tx.db()).await? > 0 {
            return Ok(false);
        }
        let total = workspaces::current(&tx).await?.passages;
        model::record(&tx, &self.to).await?;
        change::end(&tx, self.id, ChangeState::Switched, None).await?;
        table::Entity::update_many()
            .col_expr(table::Column::PassagesTotal, Expr::value(total))
            .col_expr(table::Column::PassagesDone, Expr::value(total))
            .col_expr(table::Column::SwitchedAt, Expr::value(tx.store().now()))
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::Id.eq(self.id))
            .exec(tx.db())
            .await?;
        jobs::enqueue(&tx, clear::job(self.id)).await?;
        let event = Event::new("embedding_change.switched").target("embedding_change", self.id.0);
        audit::append(self.scope, &tx, event.detail("model", self.to.name.clone()).detail("passages", total)).await?;
        tx.commit().await?;
        Ok(true)
    }
}
