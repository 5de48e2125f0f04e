//! What is done again and again: sweeps, retention, checkpoints. Each is claimed by one process at a time.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use tokio::sync::watch;

use super::RunnerOptions;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::WorkspaceId,
    scope::Scope,
    store::{Store, entity::recurring_duties as table},
    workspaces,
};

/// A recurring duty. Running it twice does no harm.
#[async_trait]
pub trait Duty: Send + Sync {
    /// Its name, in the table and in the audit log.
    fn name(&self) -> &'static str;

    /// Pause between two runs.
    fn every(&self) -> Duration;

    /// Does it.
    ///
    /// # Errors
    /// Recorded beside its name; it is tried again at its next time.
    async fn run(&self, context: &DutyContext) -> Result<()>;
}

/// What a duty works with.
pub struct DutyContext {
    store: Store,
    name: &'static str,
}

impl DutyContext {
    pub(crate) fn new(store: Store, name: &'static str) -> Self {
        Self { store, name }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The product's own scope in each workspace, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn scopes(&self) -> Result<Vec<Scope>> {
        let all: Vec<WorkspaceId> = workspaces::all_ids(&self.store).await?;
        Ok(all.into_iter().map(|workspace| Scope::duty(workspace, self.name)).collect())
    }
}

pub(crate) async fn run_duties(store: Store, options: Arc<RunnerOptions>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        for duty in &options.duties {
            match claim(&store, duty.as_ref()).await {
                Ok(true) => run_one(&store, duty.as_ref()).await,
                Ok(false) => {}
                Err(error) => tracing::warn!(duty = duty.name(), %error, "a duty could not be claimed"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn run_one(store: &Store, duty: &dyn Duty) {
    let context = DutyContext::new(store.clone(), duty.name());
    let ran = AssertUnwindSafe(duty.run(&context)).catch_unwind().await;
    let ran = ran.unwrap_or_else(|_| Err(Error::internal("the duty panicked")));
    if let Err(error) = &ran {
        tracing::warn!(duty = duty.name(), ?error, "a duty failed");
    }
    let message = ran.err().map(|e| e.message().to_owned());
    if let Err(error) = record(store, duty, message).await {
        tracing::warn!(duty = duty.name(), %error, "a duty's end could not be written");
    }
}

/// Takes the duty's turn where it is due: one conditional update, so one process wins.
async fn claim(store: &Store, duty: &dyn Duty) -> Result<bool> {
    let now = store.now();
    {
        let tx = store.read_instance().await?;
        let row = table::Entity::find_by_id(duty.name()).one(tx.db()).await?;
        if row.is_some_and(|row| row.next_at > now) {
            return Ok(false);
        }
    }
    let tx = store.write_instance().await?;
    let first = table::ActiveModel {
        name: sea_orm::ActiveValue::Set(duty.name().to_owned()),
        next_at: sea_orm::ActiveValue::Set(Timestamp(0)),
        last_started_at: sea_orm::ActiveValue::Set(None),
        last_finished_at: sea_orm::ActiveValue::Set(None),
        last_error: sea_orm::ActiveValue::Set(None),
    };
    table::Entity::insert(first)
        .on_conflict(OnConflict::column(table::Column::Name).do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    let won = table::Entity::update_many()
        .col_expr(table::Column::NextAt, Expr::value(now.plus(duty.every())))
        .col_expr(table::Column::LastStartedAt, Expr::value(now))
        .filter(table::Column::Name.eq(duty.name()))
        .filter(table::Column::NextAt.lte(now))
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    Ok(won.rows_affected == 1)
}

async fn record(store: &Store, duty: &dyn Duty, error: Option<String>) -> Result<()> {
    let tx = store.write_instance().await?;
    table::Entity::update_many()
        .col_expr(table::Column::LastFinishedAt, Expr::value(store.now()))
        .col_expr(table::Column::LastError, Expr::value(error))
        .filter(table::Column::Name.eq(duty.name()))
        .exec(tx.db())
        .await?;
    tx.commit().await
}
