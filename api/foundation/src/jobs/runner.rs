//! The worker: claims jobs by lease, runs them, renews, retries, gives up.
//!
//! A job may run twice, so that it was claimed or finished is committed without waiting for the disk.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QuerySelect,
    Statement, sea_query::Expr,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};
use uuid::Uuid;

use super::{ClaimedJob, Duty, JobHandler, Outcome, duties, state};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{WorkspaceId, random_uuid},
    scope::Scope,
    store::{Store, entity::jobs},
};

/// How long a worker that died keeps its job.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Leases that one statement renews.
const RENEWED_AT_ONCE: usize = 500;
/// Workers that may die over a job, one after the other, before it is taken to be what kills them.
const MOST_LOST: i64 = 10;
const RUNNING: &str = "RUNNING";
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the worker does.
pub struct RunnerOptions {
    /// One for each kind of job.
    pub handlers: Vec<Arc<dyn JobHandler>>,
    /// What is done again and again.
    pub duties: Vec<Arc<dyn Duty>>,
    /// A look at the table where no notice came.
    pub poll_every: Duration,
}

/// Runs jobs and duties until it is told to stop. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    store: Store,
    options: Arc<RunnerOptions>,
}

impl Runner {
    /// A worker on this store.
    pub fn new(store: Store, options: RunnerOptions) -> Self {
        Self { store, options: Arc::new(options) }
    }

    /// Works until `stop` turns true; jobs under way are finished, or handed back when `grace` is over.
    pub async fn run(&self, stop: watch::Receiver<bool>, grace: Duration) {
        let mut loops = JoinSet::new();
        for handler in &self.options.handlers {
            loops.spawn(self.clone().serve(handler.clone(), stop.clone(), grace));
        }
        loops.spawn(duties::run_duties(self.store.clone(), self.options.clone(), stop));
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(panicked = error.is_panic(), "a worker loop ended");
            }
        }
    }

    /// Runs every job that is due, and those they make, until none is left. For tests and for `consigne` commands that
    /// wait.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn run_until_idle(&self) -> Result<u64> {
        let mut ran = 0;
        loop {
            let before = ran;
            for handler in &self.options.handlers {
                while let Some(claim) = self.claim(handler.as_ref(), false).await? {
                    let held = Held::default();
                    let lost = held.take(claim.token);
                    tokio::select! {
                        () = self.work(handler.as_ref(), claim, lost) => {}
                        () = self.renew_all(handler.as_ref(), &held) => {}
                    }
                    ran += 1;
                }
            }
            if ran == before {
                return Ok(ran);
            }
        }
    }

    /// Runs every duty now, due or not, each once.
    ///
    /// # Errors
    /// The first failure.
    pub async fn run_duties_once(&self) -> Result<()> {
        for duty in &self.options.duties {
            duty.run(&duties::DutyContext::new(self.store.clone(), duty.name())).await?;
        }
        Ok(())
    }

    /// Runs the duty of this name now, due or not.
    ///
    /// # Errors
    /// The failure; `NotFound` where there is no such duty.
    pub async fn run_duty_once(&self, name: &str) -> Result<()> {
        let duty = self.options.duties.iter().find(|duty| duty.name() == name);
        let duty = duty.ok_or_else(|| Error::not_found("duty"))?;
        duty.run(&duties::DutyContext::new(self.store.clone(), duty.name())).await
    }

    async fn serve(self, handler: Arc<dyn JobHandler>, mut stop: watch::Receiver<bool>, grace: Duration) {
        let places = Arc::new(Semaphore::new(handler.parallel()));
        let mut running = JoinSet::new();
        let held: Arc<Held> = Arc::default();
        let renewing = {
            let (runner, handler, held) = (self.clone(), handler.clone(), held.clone());
            tokio::spawn(async move { runner.renew_all(handler.as_ref(), &held).await })
        };
        let mut notices = self.store.notices().listen([super::waiting(handler.kind())]);
        let mut was_told = false;
        while !*stop.borrow() {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place,
                _ = stop.changed() => continue,
            };
            let Ok(place) = place else { break };
            match self.claim(handler.as_ref(), std::mem::take(&mut was_told)).await {
                Ok(Some(claim)) => {
                    let (runner, handler, held, token) = (self.clone(), handler.clone(), held.clone(), claim.token);
                    let lost = held.take(token);
                    running.spawn(async move {
                        runner.work(handler.as_ref(), claim, lost).await;
                        held.leave(token);
                        drop(place);
                    });
                }
                Ok(None) => {
                    drop(place);
                    tokio::select! {
                        told = notices.wait(self.options.poll_every) => was_told = told,
                        _ = stop.changed() => {}
                    }
                }
                Err(error) => {
                    drop(place);
                    tracing::warn!(kind = handler.kind(), %error, "no job could be claimed");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            while running.try_join_next().is_some() {}
        }
        let finish = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finish).await.is_err() {
            running.abort_all();
            while running.join_next().await.is_some() {}
            self.hand_back(handler.as_ref(), &held).await;
        }
        renewing.abort();
    }

    /// Gives jobs that were cut short to the next worker at once, without counting the try.
    async fn hand_back(&self, handler: &dyn JobHandler, held: &Held) {
        let tokens = held.tokens();
        let handed_back = async {
            let tx = self.store.write_instance().await?;
            jobs::Entity::update_many()
                .col_expr(jobs::Column::State, Expr::value(state::READY))
                .col_expr(jobs::Column::Claims, Expr::col(jobs::Column::Claims).sub(1))
                .col_expr(jobs::Column::LeaseUntil, Expr::value(Option::<i64>::None))
                .filter(jobs::Column::LeaseToken.is_in(tokens))
                .exec(tx.db())
                .await?;
            tx.commit().await
        };
        if let Err(error) = handed_back.await {
            // Their leases run out instead.
            tracing::warn!(kind = handler.kind(), %error, "jobs could not be handed back");
        }
    }

    /// The next job of this kind. Where nobody said that there is one, it is looked for before a writer is asked to wait.
    async fn claim(&self, handler: &dyn JobHandler, was_told: bool) -> Result<Option<Claim>> {
        let now = self.store.now();
        let token = random_uuid();
        let skip_locked = if self.store.backend() == DbBackend::Postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE jobs SET state = 'RUNNING', lease_token = $1, lease_until = $2, claims = claims + 1 WHERE id = (\
             SELECT id FROM jobs WHERE kind = $3 AND ((state = 'READY' AND run_at <= $4) OR (state = 'RUNNING' AND lease_until < $5)) \
             ORDER BY priority, run_at, id LIMIT 1{skip_locked}) RETURNING *"
        );
        let values = [token.into(), now.plus(LEASE).0.into(), handler.kind().into(), now.0.into(), now.0.into()];
        if !was_told && !self.is_due(handler, now).await? {
            return Ok(None);
        }
        let tx = self.store.write_instance_relaxed().await?;
        let row = tx.query_one_raw(Statement::from_sql_and_values(self.store.backend(), sql, values)).await?;
        let Some(row) = row else { return Ok(None) };
        let row = jobs::Model::from_query_result(&row, "")?;
        tx.commit().await?;
        let Some(target) = row.target else { return Err(Error::internal("a job without target")) };
        let workspace = row.job_workspace_id.unwrap_or(WorkspaceId(Uuid::nil()));
        let scope = Scope::duty(workspace, handler.kind());
        Ok(Some(Claim {
            kind: handler.kind(),
            job: ClaimedJob { id: row.id, scope, target, attempt: row.attempts + 1 },
            token,
            lost: row.claims - 1,
        }))
    }

    /// Whether a job of this kind waits for a worker.
    async fn is_due(&self, handler: &dyn JobHandler, now: Timestamp) -> Result<bool> {
        let tx = self.store.read_instance().await?;
        let ready = jobs::Column::State.eq(state::READY).and(jobs::Column::RunAt.lte(now));
        let lost = jobs::Column::State.eq(RUNNING).and(jobs::Column::LeaseUntil.lt(now));
        let due = jobs::Entity::find()
            .filter(jobs::Column::Kind.eq(handler.kind()))
            .filter(ready.or(lost))
            .select_only()
            .column(jobs::Column::Id)
            .limit(1);
        Ok(due.into_tuple::<Uuid>().one(tx.db()).await?.is_some())
    }

    /// Does a job, unless its lease is lost.
    async fn work(&self, handler: &dyn JobHandler, claim: Claim, lost: Arc<Notify>) {
        let job = &claim.job;
        let outcome = if claim.lost > MOST_LOST && !handler.never_gives_up() {
            // It was claimed again and again and never came back: it takes the process down with it.
            Err(Error::internal("the worker died each time it ran this job"))
        } else {
            tokio::select! {
                ran = std::panic::AssertUnwindSafe(handler.run(job)).catch_unwind() => {
                    ran.unwrap_or_else(|_| Err(Error::internal("the handler panicked")))
                }
                () = lost.notified() => {
                    tracing::warn!(job = %job.id, kind = handler.kind(), "lost the lease; another worker has the job");
                    return;
                }
            }
        };
        let settled = match outcome {
            Ok(Outcome::Done) => self.finish(&claim).await,
            Ok(Outcome::Later(pause)) => self.put_back(&claim, pause, None).await,
            Err(error) => self.failed(handler, &claim, &error).await,
        };
        if let Err(error) = settled {
            // The lease runs out and the job is run again.
            tracing::warn!(job = %job.id, kind = handler.kind(), %error, "the outcome of a job could not be written");
        }
    }

    async fn failed(&self, handler: &dyn JobHandler, claim: &Claim, error: &Error) -> Result<()> {
        let job = &claim.job;
        tracing::warn!(job = %job.id, kind = handler.kind(), attempt = job.attempt, error = ?error, "a job failed");
        let again = error.is_retryable() || error.kind() == ErrorKind::Internal;
        let is_killer = claim.lost > MOST_LOST;
        if handler.never_gives_up() || (again && !is_killer && self.has_tries(handler, claim).await?) {
            return self.put_back(claim, pause_after(job.attempt), Some(error)).await;
        }
        // The lease is held until the row knows: a worker that dies in between leaves the job to the next, which tells it.
        if self.renew(&[claim.token]).await?.is_empty() {
            return Ok(());
        }
        if let Err(error) = handler.give_up(job, error).await {
            tracing::error!(job = %job.id, kind = handler.kind(), %error, "a dead job's row could not be told");
        }
        let tx = self.store.write_instance().await?;
        jobs::Entity::update_many()
            .col_expr(jobs::Column::State, Expr::value(state::DEAD))
            .col_expr(jobs::Column::Attempts, Expr::col(jobs::Column::Attempts).add(1))
            .col_expr(jobs::Column::LastError, Expr::value(error.message()))
            .col_expr(jobs::Column::FinishedAt, Expr::value(self.store.now()))
            .col_expr(jobs::Column::LeaseUntil, Expr::value(Option::<i64>::None))
            .filter(jobs::Column::Id.eq(job.id))
            .filter(jobs::Column::LeaseToken.eq(claim.token))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }

    /// Whether this failure leaves another try. The row is asked: the run may have given tries back.
    async fn has_tries(&self, handler: &dyn JobHandler, claim: &Claim) -> Result<bool> {
        let tx = self.store.read_instance().await?;
        let row = jobs::Entity::find_by_id(claim.job.id).one(tx.db()).await?;
        Ok(row.is_none_or(|row| row.attempts + 1 < handler.max_attempts()))
    }

    async fn finish(&self, claim: &Claim) -> Result<()> {
        let tx = self.store.write_instance_relaxed().await?;
        jobs::Entity::delete_many()
            .filter(jobs::Column::Id.eq(claim.job.id))
            .filter(jobs::Column::LeaseToken.eq(claim.token))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }

    async fn put_back(&self, claim: &Claim, pause: Duration, error: Option<&Error>) -> Result<()> {
        let tx = self.store.write_instance().await?;
        let failures = i64::from(error.is_some());
        jobs::Entity::update_many()
            .col_expr(jobs::Column::State, Expr::value(state::READY))
            .col_expr(jobs::Column::Attempts, Expr::col(jobs::Column::Attempts).add(failures))
            .col_expr(jobs::Column::Claims, Expr::value(0))
            .col_expr(jobs::Column::RunAt, Expr::value(self.store.now().plus(pause)))
            .col_expr(jobs::Column::LastError, Expr::value(error.map(|e| e.message().to_owned())))
            .col_expr(jobs::Column::LeaseUntil, Expr::value(Option::<i64>::None))
            .filter(jobs::Column::Id.eq(claim.job.id))
            .filter(jobs::Column::LeaseToken.eq(claim.token))
            .exec(tx.db())
            .await?;
        tx.notify(super::waiting(claim.kind));
        tx.commit().await
    }

    /// Renews the leases of all jobs that are held, together; tells those whose lease is lost. Without end.
    async fn renew_all(&self, handler: &dyn JobHandler, held: &Held) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            for some in held.tokens().chunks(RENEWED_AT_ONCE) {
                match self.renew(some).await {
                    Ok(renewed) => held.tell_lost(some.iter().filter(|token| !renewed.contains(token))),
                    Err(error) => tracing::warn!(kind = handler.kind(), %error, "leases could not be renewed"),
                }
            }
        }
    }

    /// Renews leases, and answers with those that were held still.
    async fn renew(&self, tokens: &[Uuid]) -> Result<HashSet<Uuid>> {
        let tx = self.store.write_instance_relaxed().await?;
        let renewed = jobs::Entity::update_many()
            .col_expr(jobs::Column::LeaseUntil, Expr::value(self.store.now().plus(LEASE)))
            .filter(jobs::Column::LeaseToken.is_in(tokens.iter().copied()))
            .exec_with_returning(tx.db())
            .await?;
        tx.commit().await?;
        Ok(renewed.into_iter().filter_map(|job| job.lease_token).collect())
    }
}

/// Jobs of one kind that this process holds, by the token of their lease.
#[derive(Default)]
struct Held(Mutex<HashMap<Uuid, Arc<Notify>>>);

impl Held {
    /// From now on; what is answered is notified when the lease is lost.
    fn take(&self, token: Uuid) -> Arc<Notify> {
        self.all().entry(token).or_default().clone()
    }

    fn leave(&self, token: Uuid) {
        self.all().remove(&token);
    }

    fn tokens(&self) -> Vec<Uuid> {
        self.all().keys().copied().collect()
    }

    /// A job that ended meanwhile is not held, and hears nothing.
    fn tell_lost<'a>(&self, tokens: impl Iterator<Item = &'a Uuid>) {
        let all = self.all();
        tokens.filter_map(|token| all.get(token)).for_each(|lost| lost.notify_one());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Claim {
    kind: &'static str,
    job: ClaimedJob,
    token: Uuid,
    /// Workers that died over it since it last came back or went on.
    lost: i64,
}

/// 1 s, 2 s, 4 s, ... at most 5 min.
fn pause_after(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 16)).unwrap_or(0);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}
