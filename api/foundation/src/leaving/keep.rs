//! Archives go when their time is over, and when somebody who may be in them is erased.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select, sea_query::Expr};

use super::exports::{self, JOB, state};
use crate::{
    blobs::Blobs,
    error::Result,
    id::SubjectId,
    jobs::{self, Duty, DutyContext, NewJob},
    privacy::{
        DataHolder, Privacy,
        holding::{Counted, Holding, Table},
    },
    scope::Scope,
    store::{
        Store, WorkspaceTx,
        entity::{erasures, workspace_exports as table},
    },
};

/// An archive that is not begun this long after it was asked for has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Takes away archives whose time is over, and puts lost jobs back.
pub struct ArchiveSweep(pub Privacy);

#[async_trait]
impl Duty for ArchiveSweep {
    fn name(&self) -> &'static str {
        "archive-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.drop_expired(&scope).await?;
        }
        Ok(())
    }
}

impl ArchiveSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.store().write(scope).await?;
        let forgotten = of_workspace(scope)
            .filter(table::Column::State.is_in([state::PENDING, state::RUNNING]))
            .filter(table::Column::RequestedAt.lt(self.0.store().now().minus(FORGOTTEN)))
            .limit(100)
            .all(tx.db())
            .await?;
        for row in forgotten {
            jobs::enqueue(&tx, NewJob::new(JOB, row.id.0).priority(3)).await?;
        }
        tx.commit().await
    }

    async fn drop_expired(&self, scope: &Scope) -> Result<()> {
        let expired = {
            let tx = self.0.store().read(scope).await?;
            of_workspace(scope)
                .filter(table::Column::State.eq(state::READY))
                .filter(table::Column::ExpiresAt.lte(self.0.store().now()))
                .limit(100)
                .all(tx.db())
                .await?
        };
        for row in expired {
            end(scope, self.0.store(), self.0.blobs(), &row).await?;
        }
        Ok(())
    }
}

/// Takes an archive away. One that is promised until the end of the contract is made anew.
async fn end(scope: &Scope, store: &Store, blobs: &Blobs, row: &table::Model) -> Result<()> {
    // Named by its export, though no row names it yet where it is being made.
    blobs.delete(&exports::path(scope.workspace(), row.id)).await?;
    let is_promised = row.kept_until.is_some_and(|until| until > store.now());
    let is_made_anew = is_promised || row.state == state::RUNNING;
    let then = if is_made_anew { state::PENDING } else { state::EXPIRED };
    let tx = store.write(scope).await?;
    exports::set(&tx, row.id, |q| {
        q.col_expr(table::Column::State, Expr::value(then))
            .col_expr(table::Column::BeganAt, Expr::value(Option::<i64>::None))
            .col_expr(table::Column::BlobKey, Expr::value(Option::<String>::None))
            .col_expr(table::Column::LinkHash, Expr::value(Option::<Vec<u8>>::None))
    })
    .await?;
    if is_made_anew {
        jobs::enqueue(&tx, NewJob::new(JOB, row.id.0).priority(3)).await?;
    }
    tx.commit().await
}

fn of_workspace(scope: &Scope) -> Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()))
}

/// Archives of the whole workspace, in which a person may be: those that began before their erasure was asked for.
pub struct ArchiveHolder {
    /// The database.
    pub store: Store,
    /// The files.
    pub blobs: Blobs,
}

impl ArchiveHolder {
    async fn with(&self, scope: &Scope, tx: &WorkspaceTx, person: SubjectId) -> Result<Option<Select<table::Entity>>> {
        let erasure = erasures::Entity::find()
            .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
            .filter(erasures::Column::SubjectId.eq(person))
            .one(tx.db())
            .await?;
        let Some(erasure) = erasure else { return Ok(None) };
        let is_there = Condition::all()
            .add(table::Column::State.is_in([state::READY, state::RUNNING]))
            .add(table::Column::BeganAt.lte(erasure.requested_at));
        Ok(Some(of_workspace(scope).filter(is_there)))
    }
}

#[async_trait]
impl DataHolder for ArchiveHolder {
    fn name(&self) -> &'static str {
        "archives"
    }

    fn tables(&self) -> &'static [Table] {
        &[]
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.store.read(scope).await?;
        match self.with(scope, &tx, subject).await? {
            Some(archives) => Ok(archives.count(tx.db()).await?),
            None => Ok(0),
        }
    }

    async fn inventory(&self, _: &Scope, _: SubjectId) -> Result<Vec<Counted>> {
        Ok(Vec::new())
    }

    /// What an archive has of somebody, the tables have.
    async fn export(&self, _: &Scope, _: SubjectId) -> Result<Vec<Holding>> {
        Ok(Vec::new())
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let archives = {
            let tx = self.store.read(scope).await?;
            match self.with(scope, &tx, subject).await? {
                Some(archives) => archives.all(tx.db()).await?,
                None => Vec::new(),
            }
        };
        for row in &archives {
            end(scope, &self.store, &self.blobs, row).await?;
        }
        Ok(archives.len() as u64)
    }
}
