//! Making an archive: one consistent view of the workspace, streamed through the compression into the file store, sealed under
//! the workspace's key. A worker that is killed leaves nothing, and the next begins anew.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use futures::{SinkExt, TryStreamExt, channel::mpsc, join};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, Statement, sea_query::Expr};

use super::{
    csv,
    exports::{self, JOB, KEPT, state},
    lines::{self, Pages},
    manifest::{self, Manifest},
    opened::Keys,
    plan::{Plan, TablePlan},
    pour::{Out, Pour, Squeeze},
};
use crate::{
    audit::{self, Event},
    backups::{
        catalogue::{self, Schema},
        make,
    },
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceExportId},
    jobs::{ClaimedJob, JobHandler, Outcome},
    privacy::{Privacy, subjects::state::ACTIVE},
    scope::Scope,
    store::{WorkspaceTx, entity::workspace_exports as table},
};

/// Pieces of an archive that may wait for the disk.
const WAITING_PIECES: usize = 8;

/// Largest archive: nothing but a fault makes more.
const LARGEST: u64 = 1 << 44;

/// Rows between two words about how far it is.
const TOLD_EVERY: i64 = 2_000;

/// Makes archives.
pub struct ArchiveHandler(pub Privacy);

#[async_trait]
impl JobHandler for ArchiveHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let (scope, id) = (&job.scope, WorkspaceExportId(job.target));
        let Some(began_at) = self.begin(scope, id).await? else { return Ok(Outcome::Done) };
        match self.make(scope, id, began_at).await {
            // Somebody was erased since it began: they must not be in it.
            Ok(false) => Ok(Outcome::Later(Duration::from_secs(1))),
            Err(error) if error.kind() == ErrorKind::SubjectErased => Ok(Outcome::Later(Duration::from_secs(1))),
            made => made.map(|_| Outcome::Done),
        }
    }

    async fn give_up(&self, job: &ClaimedJob, error: &Error) -> Result<()> {
        let (scope, id) = (&job.scope, WorkspaceExportId(job.target));
        let tx = self.0.store().write(scope).await?;
        let failed = exports::set(&tx, id, |q| {
            q.col_expr(table::Column::State, Expr::value(state::FAILED))
                .col_expr(table::Column::Failure, Expr::value(error.message()))
                .filter(table::Column::State.is_in([state::PENDING, state::RUNNING]))
        });
        if failed.await? {
            let event = Event::new("workspace.export_failed").target("workspace_export", id.0);
            audit::append(scope, &tx, event).await?;
        }
        tx.commit().await
    }
}

impl ArchiveHandler {
    /// Says that it begins, and when. None where there is nothing to make.
    async fn begin(&self, scope: &Scope, id: WorkspaceExportId) -> Result<Option<Timestamp>> {
        let now = self.0.store().now();
        let tx = self.0.store().write(scope).await?;
        let began = exports::set(&tx, id, |q| {
            q.col_expr(table::Column::State, Expr::value(state::RUNNING))
                .col_expr(table::Column::BeganAt, Expr::value(now))
                .col_expr(table::Column::WorkDone, Expr::value(0))
                .filter(table::Column::State.is_in([state::PENDING, state::RUNNING]))
        });
        let began = began.await?;
        tx.commit().await?;
        Ok(began.then_some(now))
    }

    /// Makes it, and says whether it may be handed out.
    async fn make(&self, scope: &Scope, id: WorkspaceExportId, began_at: Timestamp) -> Result<bool> {
        let (store, blobs) = (self.0.store(), self.0.blobs());
        let key = store.vault().workspace_key(scope.workspace()).await?;
        let (out, pieces) = mpsc::channel(WAITING_PIECES);
        let (poured, stored) =
            join!(self.pour(scope, id, out), blobs.put(&key, scope.workspace(), id.0, pieces, LARGEST));
        // Whichever failed first made the other one fail, too.
        let (rows, stored) = match (poured, stored) {
            (Ok(rows), Ok(stored)) => (rows, stored),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
            (Err(poured), Err(stored)) => {
                return Err(if stored.message() == CUT { poured } else { stored });
            }
        };
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let now = store.now();
        let tx = store.write(scope).await?;
        let row = exports::find(&tx, id).await?;
        let ready = exports::set(&tx, id, |q| {
            q.col_expr(table::Column::State, Expr::value(state::READY))
                .col_expr(table::Column::ReadyAt, Expr::value(now))
                .col_expr(table::Column::ExpiresAt, Expr::value(row.kept_until.unwrap_or(now.plus(KEPT))))
                .col_expr(table::Column::ArchivedRows, Expr::value(number(rows)))
                .col_expr(table::Column::Bytes, Expr::value(number(stored.bytes)))
                .col_expr(table::Column::BlobKey, Expr::value(stored.path.clone()))
                .filter(table::Column::State.eq(state::RUNNING))
                .filter(table::Column::BeganAt.eq(began_at))
        });
        if !ready.await? {
            drop(tx);
            blobs.delete(&stored.path).await?;
            return Ok(false);
        }
        let event = Event::new("workspace.export_made").target("workspace_export", id.0);
        audit::append(scope, &tx, event.detail("rows", rows).detail("bytes", stored.bytes)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes everything, and says how many rows.
    async fn pour(&self, scope: &Scope, id: WorkspaceExportId, mut out: Out) -> Result<u64> {
        let poured = self.write(scope, id, out.clone()).await;
        if poured.is_err() {
            // What was sealed so far is not an archive.
            let _ = out.send(Err(Error::new(ErrorKind::Unavailable, CUT))).await;
        }
        poured
    }

    async fn write(&self, scope: &Scope, id: WorkspaceExportId, out: Out) -> Result<u64> {
        let (store, workspace) = (self.0.store(), scope.workspace());
        let as_of = store.now();
        let tx = store.read_for_rights(scope).await?;
        let plan = Plan::of(catalogue::tables(tx.db(), Schema::Data).await?, &self.0)?;
        let mut manifest = Manifest::begin((workspace, id), make::schema(&tx).await?, as_of, &plan);
        let files = files_of(&tx, &plan).await?;
        let mut total = files.len() as u64;
        for table in &plan.tables {
            total += 2 * lines::count(tx.db(), table, workspace).await?;
        }
        let mut progress = Progress { handler: self, scope, id, done: 0, told: 0 };
        progress.begin(total).await?;

        let (mut pour, mut keys) = (Pour::new(out), Keys::new(store.vault(), workspace));
        for table in &plan.tables {
            manifest.tables.push(write_table(&tx, table, &mut pour, &mut keys, &mut progress).await?);
        }
        let key = store.vault().workspace_key(workspace).await?;
        for path in files {
            match self.0.blobs().get(&key, workspace, &path).await {
                Ok(mut pieces) => {
                    pour.begin(format!("files/{}", name_of(&path)), Squeeze::No)?;
                    while let Some(piece) = pieces.try_next().await? {
                        pour.write(&piece).await?;
                    }
                    manifest.files.push(pour.end()?);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    manifest.missing_files.push(name_of(&path).to_owned());
                }
                Err(error) => return Err(error),
            }
            progress.add(1).await?;
        }
        (manifest.restricted_persons, manifest.erased_persons) = people(&tx).await?;
        manifest.made_at = store.now().rfc3339();
        let text =
            serde_json::to_vec_pretty(&manifest).map_err(|e| Error::internal("a manifest as JSON").because(e))?;
        pour.begin(manifest::PATH.to_owned(), Squeeze::Yes)?;
        pour.write(&text).await?;
        pour.end()?;
        pour.finish().await?;
        Ok(manifest.rows())
    }
}

/// Said to the store of files where an archive was not written to its end.
const CUT: &str = "The archive was cut.";

async fn write_table(
    tx: &WorkspaceTx,
    plan: &TablePlan,
    pour: &mut Pour,
    keys: &mut Keys<'_>,
    progress: &mut Progress<'_>,
) -> Result<manifest::Table> {
    let mut rows = 0;
    pour.begin(format!("tables/{}.ndjson", plan.name), Squeeze::Yes)?;
    let mut pages = Pages::new(tx.db(), plan);
    while let Some(page) = pages.next(keys).await? {
        let count = page.len() as u64;
        for shown in page {
            pour.write(lines::line(plan, shown).as_bytes()).await?;
        }
        rows += count;
        progress.add(count).await?;
    }
    let ndjson = pour.end()?;
    pour.begin(format!("tables/{}.csv", plan.name), Squeeze::Yes)?;
    pour.write(csv::head(plan.columns.iter().map(|column| column.name)).as_bytes()).await?;
    let mut pages = Pages::new(tx.db(), plan);
    while let Some(page) = pages.next(keys).await? {
        let count = page.len() as u64;
        for shown in page {
            pour.write(csv::row(shown.iter()).as_bytes()).await?;
        }
        progress.add(count).await?;
    }
    Ok(manifest::Table::of(plan, rows, ndjson, pour.end()?))
}

/// The files that rows of the workspace name.
async fn files_of(tx: &WorkspaceTx, plan: &Plan) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for table in plan.tables.iter().filter(|table| table.position("blob_key").is_some()) {
        let sql = format!(
            "SELECT DISTINCT blob_key FROM {} WHERE {} AND blob_key IS NOT NULL AND blob_key <> ''",
            table.table.place, table.rows
        );
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [tx.workspace().into()]);
        for row in tx.query_all_raw(statement).await? {
            files.insert(row.try_get("", "blob_key")?);
        }
    }
    Ok(files)
}

/// The last part of a path: an id.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whose data is restricted, and how many were erased.
async fn people(tx: &WorkspaceTx) -> Result<(Vec<SubjectId>, u64)> {
    let backend = tx.get_database_backend();
    let sql = format!(
        "SELECT id FROM subjects WHERE workspace_id = $1 AND state = '{ACTIVE}' AND restricted_at IS NOT NULL ORDER BY id"
    );
    let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [tx.workspace().into()])).await?;
    let restricted: Vec<SubjectId> = rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect::<Result<_>>()?;
    let sql = format!("SELECT COUNT(*) AS found FROM subjects WHERE workspace_id = $1 AND state <> '{ACTIVE}'");
    let row = tx.query_one_raw(Statement::from_sql_and_values(backend, sql, [tx.workspace().into()])).await?;
    let row = row.ok_or_else(|| Error::internal("COUNT answers one row"))?;
    Ok((restricted, row.try_get::<i64>("", "found")?.unsigned_abs()))
}

/// How far it is, for whoever waits.
struct Progress<'a> {
    handler: &'a ArchiveHandler,
    scope: &'a Scope,
    id: WorkspaceExportId,
    done: i64,
    told: i64,
}

impl Progress<'_> {
    async fn begin(&mut self, total: u64) -> Result<()> {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        self.tell(|q| q.col_expr(table::Column::WorkTotal, Expr::value(total))).await
    }

    async fn add(&mut self, done: u64) -> Result<()> {
        self.done += i64::try_from(done).unwrap_or(i64::MAX);
        if self.done - self.told < TOLD_EVERY {
            return Ok(());
        }
        self.told = self.done;
        let done = self.done;
        self.tell(|q| q.col_expr(table::Column::WorkDone, Expr::value(done))).await
    }

    async fn tell(
        &self,
        with: impl FnOnce(sea_orm::UpdateMany<table::Entity>) -> sea_orm::UpdateMany<table::Entity>,
    ) -> Result<()> {
        let tx = self.handler.0.store().write_relaxed(self.scope).await?;
        exports::set(&tx, self.id, |q| with(q).filter(table::Column::State.eq(state::RUNNING))).await?;
        tx.commit().await
    }
}
