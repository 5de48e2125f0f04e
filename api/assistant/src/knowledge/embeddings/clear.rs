//! The job after a change: vectors of the model that is not searched with go, from the database, from the index, and from the
//! storage of both.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{EmbeddingChangeId, PassageId},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    workspaces,
};
use consigne_sdk::Partition;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Select, sea_query::Expr};
use uuid::Uuid;

use super::{
    super::{Knowledge, search},
    change::ChangeState,
    model::{self, InUse, fingerprint},
    vectors,
};
use crate::entity::{embedding_changes as table, passage_vectors as beside, passages};

const JOB: &str = "clear-embedding-change";

/// Passages whose vector takes its place in one transaction.
const PAGE: usize = 200;

/// How long an ingest under way is waited for.
const SOON: Duration = Duration::from_secs(5);

/// The job that clears away what a change left behind.
pub(super) fn job(change: EmbeddingChangeId) -> NewJob {
    NewJob::new(JOB, change.0).priority(8)
}

/// Clears away what is not searched with.
pub struct ClearHandler(pub Knowledge);

#[async_trait]
impl JobHandler for ClearHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    fn never_gives_up(&self) -> bool {
        true
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let (knowledge, scope, id) = (&self.0, &job.scope, EmbeddingChangeId(job.target));
        let row = {
            let tx = knowledge.store.read(scope).await?;
            table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?
        };
        let is_over = |row: &table::Model| {
            matches!(ChangeState::parse(&row.state), ChangeState::Switched | ChangeState::Cancelled)
                && row.cleared_at.is_none()
        };
        let Some(row) = row.filter(is_over) else { return Ok(Outcome::Done) };
        let in_use = model::in_use(scope, knowledge).await?;
        bring_home(scope, knowledge, &in_use, &job.target).await?;
        let searched = in_use.model.fingerprint;
        {
            let tx = knowledge.store.write(scope).await?;
            if of_another(&tx, &in_use).count(tx.db()).await? > 0 {
                return Ok(Outcome::Later(SOON));
            }
            beside::Entity::delete_many()
                .filter(beside::Column::WorkspaceId.eq(scope.workspace()))
                .exec(tx.db())
                .await?;
            tx.commit().await?;
        }
        for side in [&row.from_fingerprint, &row.to_fingerprint] {
            if fingerprint(side) != searched {
                drop_partition(scope, knowledge, side).await?;
            }
        }
        let tx = knowledge.store.write(scope).await?;
        table::Entity::update_many()
            .col_expr(table::Column::ClearedAt, Expr::value(tx.store().now()))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        audit::append(scope, &tx, Event::new("embedding_change.cleared").target("embedding_change", id.0)).await?;
        tx.commit().await?;
        knowledge.store.purge_deleted_bytes().await?;
        Ok(Outcome::Done)
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        Ok(())
    }
}

/// Passages whose own vector is of another model than the one searched with.
fn of_another(tx: &consigne_foundation::store::WorkspaceTx, in_use: &InUse) -> Select<passages::Entity> {
    passages::Entity::find()
        .filter(passages::Column::WorkspaceId.eq(tx.workspace()))
        .filter(passages::Column::ModelFingerprint.ne(in_use.model.fingerprint.0.to_vec()))
}

/// Puts the vector that is searched with into each passage's own row, over the one that was there. One that is in no place is
/// made now.
async fn bring_home(scope: &Scope, knowledge: &Knowledge, in_use: &InUse, change: &Uuid) -> Result<()> {
    let store = &knowledge.store;
    let model = in_use.model.fingerprint;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let mut after = PassageId(Uuid::nil());
    loop {
        let (rows, mut stored) = {
            let tx = store.read(scope).await?;
            let rows = vectors::step(of_another(&tx, in_use), after, PAGE).all(tx.db()).await?;
            let stored = vectors::of(&tx, &key, &rows, model).await?;
            (rows, stored)
        };
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        let lacking: Vec<passages::Model> = rows.iter().filter(|row| !stored.contains_key(&row.id)).cloned().collect();
        if !lacking.is_empty() && in_use.is_whole() {
            for some in lacking.chunks(vectors::STEP) {
                let made = vectors::embed(&key, in_use.embedder.as_ref(), some).await?;
                stored.extend(some.iter().map(|row| row.id).zip(made));
            }
        }
        let tx = store.write(scope).await?;
        workspaces::hold(&tx).await?;
        let made: Vec<PassageId> = lacking.iter().filter(|row| row.knowledge_version > 0).map(|row| row.id).collect();
        // An index in memory reads these again; they were in it by their words alone.
        let version = if made.is_empty() { 0 } else { workspaces::next_knowledge_version(&tx, 0).await? };
        if model::hold(&tx).await?.is_none_or(|held| held.fingerprint != model) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "The model changed again while an earlier change was cleared.",
            ));
        }
        for row in &rows {
            let Some(vector) = stored.get(&row.id) else { continue };
            let mut update = passages::Entity::update_many()
                .col_expr(passages::Column::VectorSealed, Expr::value(vectors::seal_own(&key, row, vector)))
                .col_expr(passages::Column::ModelFingerprint, Expr::value(model.0.to_vec()))
                .filter(passages::Column::WorkspaceId.eq(scope.workspace()))
                .filter(passages::Column::Id.eq(row.id));
            if made.contains(&row.id) {
                update = update.col_expr(passages::Column::KnowledgeVersion, Expr::value(version));
            }
            update.exec(tx.db()).await?;
        }
        beside::Entity::delete_many()
            .filter(beside::Column::WorkspaceId.eq(scope.workspace()))
            .filter(beside::Column::PassageId.is_in(rows.iter().map(|row| row.id)))
            .exec(tx.db())
            .await?;
        jobs::progressed(&tx, JOB, *change).await?;
        tx.commit().await?;
        search::sync::put_again(scope, knowledge, in_use.model.indexed(scope), &made).await?;
    }
}

/// Forgets a model's points, down to the bytes.
async fn drop_partition(scope: &Scope, knowledge: &Knowledge, model: &[u8]) -> Result<()> {
    let partition = Partition::new(scope.workspace().0, fingerprint(model));
    let index = knowledge.registry.vector_index()?;
    index.drop_partition(&partition).await?;
    let left = index.count(&partition).await?;
    if left > 0 {
        return Err(Error::new(ErrorKind::Unavailable, format!("{left} vectors of an earlier model came back.")));
    }
    Ok(index.purge(&partition).await?)
}
