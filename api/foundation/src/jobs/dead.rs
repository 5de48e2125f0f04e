//! Jobs that nobody tries again by themselves: seen and retried by a person.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::state;
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, Result},
    id::JobId,
    scope::{Permission, Scope},
    store::{Store, entity::jobs},
};

/// A job that failed as often as it was allowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// The job.
    pub id: JobId,
    /// What it was to do.
    pub kind: String,
    /// The row it is about.
    pub target: Option<Uuid>,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it failed last, without personal data.
    pub last_error: Option<String>,
    /// When it was given up.
    pub died_at: Timestamp,
}

/// The workspace's dead jobs, newest first, behind `after`, at most `limit`.
///
/// # Errors
/// `Forbidden`, `Unavailable`.
pub async fn list(scope: &Scope, store: &Store, after: Option<JobId>, limit: u64) -> Result<Vec<DeadJob>> {
    scope.require(Permission::JobsWrite)?;
    let tx = store.read_instance().await?;
    let mut query = jobs::Entity::find()
        .filter(jobs::Column::JobWorkspaceId.eq(scope.workspace()))
        .filter(jobs::Column::State.eq(state::DEAD))
        .order_by_desc(jobs::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(jobs::Column::Id.lt(after));
    }
    let rows = query.all(tx.db()).await?;
    Ok(rows.into_iter().map(DeadJob::from).collect())
}

/// How many dead jobs the workspace has.
///
/// # Errors
/// `Forbidden`, `Unavailable`.
pub async fn count(scope: &Scope, store: &Store) -> Result<u64> {
    use sea_orm::PaginatorTrait;
    scope.require(Permission::JobsWrite)?;
    let tx = store.read_instance().await?;
    Ok(jobs::Entity::find()
        .filter(jobs::Column::JobWorkspaceId.eq(scope.workspace()))
        .filter(jobs::Column::State.eq(state::DEAD))
        .count(tx.db())
        .await?)
}

/// Puts a dead job back with all its tries.
///
/// # Errors
/// `NotFound` where the workspace has no such dead job.
pub async fn retry(scope: &Scope, store: &Store, job: JobId) -> Result<()> {
    scope.require(Permission::JobsWrite)?;
    let tx = store.write(scope).await?;
    let dead = jobs::Entity::find_by_id(job)
        .filter(jobs::Column::JobWorkspaceId.eq(scope.workspace()))
        .filter(jobs::Column::State.eq(state::DEAD))
        .one(tx.db())
        .await?
        .ok_or_else(|| Error::not_found("dead job"))?;
    let put_back = jobs::Entity::update_many()
        .col_expr(jobs::Column::State, Expr::value(state::READY))
        .col_expr(jobs::Column::Attempts, Expr::value(0))
        .col_expr(jobs::Column::Claims, Expr::value(0))
        .col_expr(jobs::Column::RunAt, Expr::value(store.now()))
        .col_expr(jobs::Column::FinishedAt, Expr::value(Option::<i64>::None))
        .filter(jobs::Column::Id.eq(job))
        .filter(jobs::Column::JobWorkspaceId.eq(scope.workspace()))
        .filter(jobs::Column::State.eq(state::DEAD))
        .exec(tx.db())
        .await?;
    if put_back.rows_affected == 0 {
        return Err(Error::not_found("dead job"));
    }
    audit::append(scope, &tx, Event::new("job.retried").target("job", job.0)).await?;
    tx.notify(super::waiting(&dead.kind));
    tx.commit().await
}

impl From<jobs::Model> for DeadJob {
    fn from(row: jobs::Model) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            target: row.target,
            attempts: row.attempts,
            last_error: row.last_error,
            died_at: row.finished_at.unwrap_or(row.created_at),
        }
    }
}
