//! `/healthz`: the process answers. `/readyz`: what it stands on answers too.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix_web::{HttpResponse, web};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use serde_json::{Map, json};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What must work before requests are sent here. Checks run side by side at every question.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
}

impl Readiness {
    /// Nothing to check.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check: `readiness.with("database", move || { let store = store.clone(); async move {
    /// store.ping().await.is_ok() } })`.
    #[must_use]
    pub fn with<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || check().boxed())));
        self
    }

    /// The names of all checks, and whether they passed. One that panics or takes too long did not.
    pub async fn check(&self) -> Vec<(&'static str, bool)> {
        join_all(self.checks.iter().map(|(name, check)| async move {
            let run = AssertUnwindSafe(async { check().await }).catch_unwind();
            (*name, matches!(tokio::time::timeout(PATIENCE, run).await, Ok(Ok(true))))
        }))
        .await
    }
}

/// The process answers.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(json!({ "status": "ok" }))
}

/// What the process stands on answers. Says which part does not, never why: this page is public.
pub async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let checks = readiness.check().await;
    let is_ready = checks.iter().all(|(_, passed)| *passed);
    let mut response = if is_ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let word = |passed: bool| if passed { "ok" } else { "failed" };
    let checks: Map<_, _> = checks.into_iter().map(|(name, passed)| (name.to_owned(), word(passed).into())).collect();
    response
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({ "status": if is_ready { "ready" } else { "not ready" }, "checks": checks }))
}
