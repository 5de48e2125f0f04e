//! What becomes of jobs when the worker dies.

#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use consigne_foundation::{
    identity::{accounts, authenticate},
    jobs::{ClaimedJob, JobHandler, NewJob, Outcome, Runner, RunnerOptions, dead},
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

#[tokio::test]
async fn a_row_is_told_that_its_job_is_dead_even_if_the_worker_dies_over_it() {
    let test = support::open().await;
    let store = &test.store;
    accounts::create_first(store, "owner@acme.example", PASSWORD, "Acme").await.unwrap();
    let session = accounts::sign_in(store, "owner@acme.example", PASSWORD, None).await.unwrap();
    let header = format!("Bearer {}", session.access_token.expose());
    let scope = authenticate::authenticate(store, Some(&header)).await.unwrap().unwrap().scope;
    let tx = store.write(&scope).await.unwrap();
    jobs::enqueue(&tx, NewJob::new("hopeless", scope.workspace().0)).await.unwrap();
    tx.commit().await.unwrap();

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
