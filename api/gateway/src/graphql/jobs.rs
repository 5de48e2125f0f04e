//! Jobs that nobody tries again by themselves.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{Permission, id::JobId, jobs::dead};

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// A job that failed as often as it was allowed to.
#[derive(SimpleObject, Clone)]
pub struct DeadJob {
    /// Its id.
    pub id: ID,
    /// What it was to do.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed last, without personal data.
    pub last_error: Option<String>,
    /// Given up at.
    pub died_at: DateTime,
}

connection! {
    /// Dead jobs, newest first.
    DeadJobConnection, DeadJobEdge, DeadJob, |job| job.id.to_string()
}

/// Which job to retry.
#[derive(InputObject)]
pub struct RetryJobInput {
    /// The job.
    pub job_id: ID,
}

/// The retried job, or why it is not.
#[derive(SimpleObject)]
pub struct RetryJobPayload {
    /// The job that was put back.
    pub retried_job_id: Option<ID>,
    /// Why it was not.
    pub user_errors: Vec<UserError>,
}

/// Reading dead jobs.
#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// Jobs that were given up, newest first.
    async fn dead_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<DeadJobConnection> {
        let (scope, page) = (ctx.scope(Permission::JobsWrite)?, Page::of(first)?);
        let after = after.as_deref().map(JobId::parse_or_unknown);
        let rows = dead::list(&scope, ctx.store(), after, page.limit()).await.map_err(refuse)?;
        let total = dead::count(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(DeadJobConnection::new(&page, rows.into_iter().map(DeadJob::from).collect(), total))
    }
}

/// Retrying dead jobs.
#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Puts a dead job back with all its tries.
    async fn retry_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RetryJobInput,
    ) -> Result<RetryJobPayload> {
        let scope = ctx.scope(Permission::JobsWrite)?;
        let id = JobId::parse_or_unknown(&input.job_id);
        let (retried, user_errors) = split(dead::retry(&scope, ctx.store(), id).await)?;
        Ok(RetryJobPayload { retried_job_id: retried.map(|()| id.to_string().into()), user_errors })
    }
}

impl From<dead::DeadJob> for DeadJob {
    fn from(j: dead::DeadJob) -> Self {
        Self {
            id: j.id.to_string().into(),
            kind: j.kind,
            attempts: i32::try_from(j.attempts).unwrap_or(i32::MAX),
            last_error: j.last_error,
            died_at: j.died_at.into(),
        }
    }
}
