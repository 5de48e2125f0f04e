//! What is still to do: a durable queue in the database itself.
//!
//! A job is a hint, the row is the truth. A job carries ids only, is enqueued in the transaction that made the row, may
//! run twice, and a sweep finds the rows whose job was lost. A worker holds a job by a lease that it renews; a worker
//! that dies loses it. A job that keeps failing is DEAD: visible, and retriable by a person.
//!
//! Reading order: [`NewJob`] and [`enqueue`], [`JobHandler`], [`runner`], [`duties`], [`dead`].

pub mod dead;
pub mod duties;
pub mod runner;

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use self::{
    dead::{DeadJob, retry},
    duties::{Duty, DutyContext},
    runner::{Runner, RunnerOptions},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{JobId, WorkspaceId},
    scope::Scope,
    store::{InstanceTx, Notice, Topic, WorkspaceTx, entity::jobs},
};

/// Values that one statement may carry, well below what either database allows.
const MOST_VALUES: usize = 1_000;

/// States of a job. A job that succeeded is deleted.
pub(crate) mod state {
    pub const READY: &str = "READY";
    pub const DEAD: &str = "DEAD";
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which handler takes it.
    pub kind: &'static str,
    /// The row it is about.
    pub target: Uuid,
    /// Lower runs first.
    pub priority: i64,
    /// Not before this moment; at once where `None`.
    pub run_at: Option<Timestamp>,
}

impl NewJob {
    /// A job of this kind about this row, to run at once.
    pub fn new(kind: &'static str, target: Uuid) -> Self {
        Self { kind, target, priority: 5, run_at: None }
    }

    /// With this priority; lower runs first.
    pub fn priority(self, priority: i64) -> Self {
        Self { priority, ..self }
    }

    /// Not before this moment.
    pub fn run_at(self, at: Timestamp) -> Self {
        Self { run_at: Some(at), ..self }
    }
}

/// Enqueues a job in the transaction that made its row. While a job of the same kind and target waits or runs, nothing is
/// added; a dead one is given all its tries again.
///
/// # Errors
/// `Unavailable`.
pub async fn enqueue(tx: &WorkspaceTx, job: NewJob) -> Result<()> {
    insert(tx, Some(tx.workspace()), job).await
}

/// As [`enqueue`], for a row that belongs to no workspace: its job's scope is that of a workspace that exists nowhere.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn enqueue_for_instance(tx: &InstanceTx, job: NewJob) -> Result<()> {
    insert(tx, None, job).await
}

async fn insert(tx: &InstanceTx, workspace: Option<WorkspaceId>, job: NewJob) -> Result<()> {
    let now = tx.store().now();
    let row = jobs::ActiveModel {
        id: Set(JobId::new(tx.store().clock())),
        job_workspace_id: Set(workspace),
        kind: Set(job.kind.to_owned()),
        target: Set(Some(job.target)),
        dedupe_key: Set(Some(format!("{}:{}", job.kind, job.target.as_simple()))),
        state: Set(state::READY.to_owned()),
        priority: Set(job.priority),
        run_at: Set(job.run_at.unwrap_or(now)),
        attempts: Set(0),
        claims: Set(0),
        lease_token: Set(None),
        lease_until: Set(None),
        last_error: Set(None),
        created_at: Set(now),
        finished_at: Set(None),
    };
    let revive_dead = OnConflict::column(jobs::Column::DedupeKey)
        .value(jobs::Column::State, Expr::value(state::READY))
        .value(jobs::Column::Attempts, Expr::value(0))
        .value(jobs::Column::Claims, Expr::value(0))
        .value(jobs::Column::RunAt, Expr::value(job.run_at.unwrap_or(now)))
        .value(jobs::Column::FinishedAt, Expr::value(Option::<i64>::None))
        .action_and_where(Expr::col((jobs::Entity, jobs::Column::State)).eq(state::DEAD))
        .to_owned();
    jobs::Entity::insert(row).on_conflict(revive_dead).exec_without_returning(tx.db()).await?;
    tx.notify(waiting(job.kind));
    Ok(())
}

/// Word that a job of this kind waits. The kind is told by a hash: a notice carries an id and no text.
fn waiting(kind: &str) -> Notice {
    let hash = Sha256::digest(kind.as_bytes());
    let id = hash.first_chunk::<16>().map_or(Uuid::nil(), |bytes| Uuid::from_bytes(*bytes));
    Notice { topic: Topic::Job, id }
}

/// Takes away the jobs of a kind about these rows. One that runs finds its row gone.
///
/// # Errors
/// `Unavailable`.
pub async fn cancel(tx: &WorkspaceTx, kind: &str, targets: impl IntoIterator<Item = Uuid>) -> Result<u64> {
    let targets: Vec<Uuid> = targets.into_iter().collect();
    let mut gone = 0;
    for some in targets.chunks(MOST_VALUES) {
        let deleted = jobs::Entity::delete_many()
            .filter(jobs::Column::JobWorkspaceId.eq(tx.workspace()))
            .filter(jobs::Column::Kind.eq(kind))
            .filter(jobs::Column::Target.is_in(some.iter().copied()))
            .exec(tx.db())
            .await?;
        gone += deleted.rows_affected;
    }
    Ok(gone)
}

/// Gives a job that runs all its tries back, in the transaction that brought it nearer to its end: what goes on in steps
/// is not given up for the tries of the steps that are done.
///
/// # Errors
/// `Unavailable`.
pub async fn progressed(tx: &WorkspaceTx, kind: &str, target: Uuid) -> Result<()> {
    jobs::Entity::update_many()
        .col_expr(jobs::Column::Attempts, Expr::value(0))
        .col_expr(jobs::Column::Claims, Expr::value(1))
        .filter(jobs::Column::JobWorkspaceId.eq(tx.workspace()))
        .filter(jobs::Column::Kind.eq(kind))
        .filter(jobs::Column::Target.eq(target))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// A job that a worker holds.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// The product's own scope in the job's workspace.
    pub scope: Scope,
    /// The row it is about.
    pub target: Uuid,
    /// Counts from 1. A worker that dies does not count.
    pub attempt: i64,
}

/// What a handler says of a job that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the job goes.
    Done,
    /// Not yet, without being a failure; try again after this long.
    Later(Duration),
}

/// Does jobs of one kind. May be run twice for the same row, so each step can be repeated.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// Which jobs it takes.
    fn kind(&self) -> &'static str;

    /// How many at once in one process.
    fn parallel(&self) -> usize;

    /// Failures before a job is dead.
    fn max_attempts(&self) -> i64 {
        8
    }

    /// Whether it is tried again whatever the failure: what a person's right depends on is never left undone.
    fn never_gives_up(&self) -> bool {
        false
    }

    /// Does the job.
    ///
    /// # Errors
    /// A retryable error is tried again with growing pauses; another one makes the job dead at once.
    async fn run(&self, job: &ClaimedJob) -> Result<Outcome>;

    /// Says on the row that nobody will try again by themselves. Nothing to say for what is never given up.
    ///
    /// # Errors
    /// Logged; the job is dead all the same.
    async fn give_up(&self, job: &ClaimedJob, _error: &Error) -> Result<()> {
        debug_assert!(self.never_gives_up(), "{} is given up without a word on its row ({})", self.kind(), job.id);
        Ok(())
    }
}
