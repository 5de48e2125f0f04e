//! What becomes of jobs when the worker dies.

#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use consigne_foundation::{
    identity::{accounts, authenticate},
    jobs::{ClaimedJob, JobHandler, NewJob, Outcome, Runner, RunnerOptions, dead},
    store::Store,
    *,
};
use tokio::sync::Notify;

const PASSWORD: &str = "a long enough password";

/// A job that always fails. The first to give it up dies over that.
#[derive(Default)]
struct Hopeless {
    is_survivor: AtomicBool,
    dying: Notify,
    given_up: AtomicUsize,
}

#[async_trait::async_trait]
impl JobHandler for Hopeless {
    fn kind(&self) -> &'static str {
        "hopeless"
    }

    fn parallel(&self) -> usize {
        1
    }

    fn max_attempts(&self) -> i64 {
        1
    }

    async fn run(&self, _: &ClaimedJob) -> Result<Outcome> {
        Err(Error::new(ErrorKind::Unavailable, "never"))
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        if !self.is_survivor.swap(true, Ordering::SeqCst) {
            self.dying.notify_one();
            std::future::pending::<()>().await;
        }
        self.given_up.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// What a run of [`Scripted`] does.
#[derive(Clone, Copy)]
enum Turn {
    /// The worker dies.
    Die,
    /// It fails, and may be tried again.
    Fail,
    /// It gets somewhere, and fails then.
    ProgressAndFail,
}

/// A job that may fail once, and does what a script says; then it is done.
struct Scripted {
    store: Store,
    turns: Mutex<VecDeque<Turn>>,
    dying: Notify,
    given_up: AtomicUsize,
}

impl Scripted {
    fn new(store: &Store, turns: impl IntoIterator<Item = Turn>) -> Arc<Self> {
        let turns = Mutex::new(turns.into_iter().collect());
        Arc::new(Self { store: store.clone(), turns, dying: Notify::new(), given_up: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl JobHandler for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn parallel(&self) -> usize {
        1
    }

    fn max_attempts(&self) -> i64 {
        2
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let turn = self.turns.lock().expect("a test store answers").pop_front();
        match turn {
            None => return Ok(Outcome::Done),
            Some(Turn::Fail) => {}
            Some(Turn::Die) => {
                self.dying.notify_one();
                std::future::pending::<()>().await;
            }
            Some(Turn::ProgressAndFail) => {
                let tx = self.store.write(&job.scope).await?;
                jobs::progressed(&tx, self.kind(), job.target).await?;
                tx.commit().await?;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "not this time"))
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        self.given_up.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Runs the script through; says how often it was given up, and how many turns were left over then.
async fn play(turns: impl IntoIterator<Item = Turn>) -> (usize, usize) {
    let (test, scope) = furnish("scripted").await;
    let scripted = Scripted::new(&test.store, turns);
    let options =
        RunnerOptions { handlers: vec![scripted.clone()], duties: Vec::new(), poll_every: Duration::from_secs(1) };
    let runner = Runner::new(test.store.clone(), options);
    for _ in 0..40 {
        tokio::select! {
            ran = runner.run_until_idle() => drop(ran.expect("a test store answers")),
            () = scripted.dying.notified() => {}
        }
        test.clock.advance(Duration::from_secs(600));
    }
    let dead = dead::count(&scope, &test.store).await.expect("a test store answers");
    let given_up = scripted.given_up.load(Ordering::SeqCst);
    assert_eq!(
        usize::try_from(dead).expect("a test store answers"),
        given_up,
        "a job is dead exactly where its row was told so"
    );
    (given_up, scripted.turns.lock().expect("a test store answers").len())
}

#[tokio::test]
async fn workers_that_die_do_not_spend_the_tries_of_a_healthy_job() {
    assert_eq!(play([Turn::Die; 9]).await, (0, 0));
}

#[tokio::test]
async fn a_job_that_kills_each_worker_is_given_up() {
    assert_eq!(play([Turn::Die; 30]).await, (1, 19));
}

#[tokio::test]
async fn a_job_that_goes_on_step_by_step_has_all_its_tries_for_each_step() {
    assert_eq!(play([Turn::ProgressAndFail; 20]).await, (0, 0));
}

#[tokio::test]
async fn a_job_that_only_fails_is_given_up_after_its_tries() {
    assert_eq!(play([Turn::Fail; 20]).await, (1, 18));
}

/// A store with a workspace, the owner's scope, and a job of this kind.
async fn furnish(kind: &'static str) -> (support::TestStore, Scope) {
    let test = support::open().await;
    let store = &test.store;
    accounts::create_first(store, "owner@acme.example", PASSWORD, "Acme").await.expect("a test store answers");
    let session = accounts::sign_in(store, "owner@acme.example", PASSWORD, None).await.expect("a test store answers");
    let header = format!("Bearer {}", session.access_token.expose());
    let scope = authenticate::authenticate(store, Some(&header))
        .await
        .expect("a test store answers")
        .expect("a test store answers")
        .scope;
    let tx = store.write(&scope).await.expect("a test store answers");
    jobs::enqueue(&tx, NewJob::new(kind, scope.workspace().0)).await.expect("a test store answers");
    tx.commit().await.expect("a test store answers");
    (test, scope)
}

#[tokio::test]
async fn a_row_is_told_that_its_job_is_dead_even_if_the_worker_dies_over_it() {
    let (test, scope) = furnish("hopeless").await;
    let store = &test.store;
    let hopeless = Arc::new(Hopeless::default());
    let options =
        RunnerOptions { handlers: vec![hopeless.clone()], duties: Vec::new(), poll_every: Duration::from_secs(1) };
    let runner = Runner::new(store.clone(), options);
    tokio::select! {
        _ = runner.run_until_idle() => panic!("it was to die"),
        () = hopeless.dying.notified() => {}
    }
    test.clock.advance(Duration::from_secs(16));
    runner.run_until_idle().await.unwrap();
    assert_eq!(hopeless.given_up.load(Ordering::SeqCst), 1, "the row still waits for a job that is dead");
    assert_eq!(dead::count(&scope, store).await.unwrap(), 1);
}
