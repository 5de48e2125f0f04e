//! Which backups there were, in the database itself: a certificate of erasure is final only when the last one that could hold
//! the person is gone.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::manifest::Manifest;
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{BackupId, DrillId},
    scope::{Permission, Scope},
    store::{
        Store,
        entity::{backups, restore_drills},
    },
    workspaces,
};

/// A backup that began so long ago and did not end was killed.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);

/// What is told about backups by each audit event, and listed at once.
const MOST: u64 = 500;

mod state {
    pub const RUNNING: &str = "RUNNING";
    pub const DONE: &str = "DONE";
    pub const FAILED: &str = "FAILED";
    pub const GONE: &str = "GONE";
}

/// Where a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupState {
    /// It is being made.
    Running,
    /// It is there.
    Kept,
    /// It was never whole.
    Failed,
    /// It was there, and was removed.
    Gone,
}

/// A backup, as the database remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The backup.
    pub id: BackupId,
    /// Where it is, or was.
    pub place: String,
    /// Where it stands.
    pub state: BackupState,
    /// The recovery point.
    pub began_at: Timestamp,
    /// When it was whole, or failed.
    pub finished_at: Option<Timestamp>,
    /// When it was removed.
    pub gone_at: Option<Timestamp>,
    /// Bytes, without files.
    pub bytes: Option<i64>,
    /// Rows.
    pub rows: Option<i64>,
    /// Files.
    pub files: Option<i64>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A drill: a backup that was restored to see that it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// The drill.
    pub id: DrillId,
    /// The backup, where there was one.
    pub backup: Option<BackupId>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whether the backup came back whole.
    pub has_passed: bool,
    /// Why not.
    pub failure: Option<String>,
    /// The signed report, a compact JWS.
    pub report: String,
}

/// Notes that a backup begins. One is made at a time.
pub(super) async fn begin(store: &Store, id: BackupId, place: &str) -> Result<()> {
    let now = store.now();
    let tx = store.write_instance().await?;
    if tx.store().backend() == sea_orm::DbBackend::Postgres {
        use sea_orm::ConnectionTrait;
        tx.execute_unprepared("LOCK TABLE backups IN EXCLUSIVE MODE").await?;
    }
    let running = backups::Entity::find()
        .filter(backups::Column::State.eq(state::RUNNING))
        .filter(backups::Column::BeganAt.gt(now.minus(LONGEST)))
        .one(tx.db())
        .await?;
    if let Some(running) = running {
        let message = format!("The backup {} has been running since {}.", running.id, running.began_at.rfc3339());
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let row = backups::ActiveModel {
        id: Set(id),
        place: Set(place.to_owned()),
        state: Set(state::RUNNING.to_owned()),
        began_at: Set(now),
        finished_at: Set(None),
        bytes: Set(None),
        stored_rows: Set(None),
        files: Set(None),
        ledger_entries: Set(None),
        failure: Set(None),
        gone_at: Set(None),
    };
    backups::Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.commit().await
}

/// Notes that it is there, or, where this database does not know it (it was restored since), that it was made.
pub(super) async fn done(store: &Store, place: &str, manifest: &Manifest) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let row = backups::ActiveModel {
        id: Set(manifest.id),
        place: Set(place.to_owned()),
        state: Set(state::DONE.to_owned()),
        began_at: Set(manifest.began_at),
        finished_at: Set(Some(manifest.finished_at)),
        bytes: Set(Some(number(manifest.bytes()))),
        stored_rows: Set(Some(number(manifest.rows()))),
        files: Set(Some(number(manifest.files))),
        ledger_entries: Set(Some(number(manifest.ledger.entries))),
        failure: Set(None),
        gone_at: Set(None),
    };
    use backups::Column;
    let replace = OnConflict::column(Column::Id)
        .update_columns([
            Column::State,
            Column::BeganAt,
            Column::FinishedAt,
            Column::Bytes,
            Column::StoredRows,
            Column::Files,
            Column::LedgerEntries,
            Column::Failure,
        ])
        .to_owned();
    let tx = store.write_instance().await?;
    backups::Entity::insert(row).on_conflict(replace).exec_without_returning(tx.db()).await?;
    tx.commit().await
}

pub(super) async fn failed(store: &Store, id: BackupId, error: &Error) -> Result<()> {
    let tx = store.write_instance().await?;
    backups::Entity::update_many()
        .col_expr(backups::Column::State, Expr::value(state::FAILED))
        .col_expr(backups::Column::FinishedAt, Expr::value(store.now()))
        .col_expr(backups::Column::Failure, Expr::value(error.message()))
        .filter(backups::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.commit().await
}

/// Notes which backups of a place are gone: all that it does not have any more, and those that a killed process left half made.
pub(super) async fn only_these_are_there(store: &Store, place: &str, there: &[BackupId]) -> Result<u64> {
    let now = store.now();
    let tx = store.write_instance().await?;
    let gone = backups::Entity::update_many()
        .col_expr(backups::Column::State, Expr::value(state::GONE))
        .col_expr(backups::Column::GoneAt, Expr::value(now))
        .filter(backups::Column::Place.eq(place))
        .filter(backups::Column::State.eq(state::DONE))
        .filter(backups::Column::Id.is_not_in(there.iter().copied()))
        .exec(tx.db())
        .await?;
    backups::Entity::update_many()
        .col_expr(backups::Column::State, Expr::value(state::FAILED))
        .col_expr(backups::Column::Failure, Expr::value("The process that made it ended."))
        .filter(backups::Column::State.eq(state::RUNNING))
        .filter(backups::Column::BeganAt.lte(now.minus(LONGEST)))
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    Ok(gone.rows_affected)
}

/// The recovery point of the newest backup that is there.
///
/// # Errors
/// `Unavailable`.
pub async fn newest(store: &Store, place: &str) -> Result<Option<Timestamp>> {
    let tx = store.read_instance().await?;
    let row = backups::Entity::find()
        .filter(backups::Column::Place.eq(place))
        .filter(backups::Column::State.eq(state::DONE))
        .order_by_desc(backups::Column::BeganAt)
        .one(tx.db())
        .await?;
    Ok(row.map(|row| row.began_at))
}

/// Whether a backup is there, or may be, that began before this moment.
///
/// # Errors
/// `Unavailable`.
pub async fn is_any_left_from_before(store: &Store, moment: Timestamp) -> Result<bool> {
    let tx = store.read_instance().await?;
    let row = backups::Entity::find()
        .filter(backups::Column::State.is_in([state::DONE, state::RUNNING]))
        .filter(backups::Column::BeganAt.lte(moment))
        .one(tx.db())
        .await?;
    Ok(row.is_some())
}

/// All backups, newest first; for the operator's own commands.
///
/// # Errors
/// `Unavailable`.
pub async fn list(store: &Store) -> Result<Vec<Backup>> {
    let tx = store.read_instance().await?;
    let rows = backups::Entity::find().order_by_desc(backups::Column::BeganAt).limit(MOST).all(tx.db()).await?;
    Ok(rows.into_iter().map(Backup::from).collect())
}

/// All backups, newest first, for whoever reads the records of a workspace.
///
/// # Errors
/// `Forbidden` without [`Permission::AuditRead`]; `Unavailable`.
pub async fn shown(scope: &Scope, store: &Store) -> Result<Vec<Backup>> {
    scope.require(Permission::AuditRead)?;
    list(store).await
}

/// All drills, newest first; for the operator's own commands.
///
/// # Errors
/// `Unavailable`.
pub async fn drills(store: &Store) -> Result<Vec<Drill>> {
    let tx = store.read_instance().await?;
    let rows = restore_drills::Entity::find()
        .order_by_desc(restore_drills::Column::FinishedAt)
        .limit(MOST)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(Drill::from).collect())
}

/// All drills, newest first, for whoever reads the records of a workspace.
///
/// # Errors
/// `Forbidden` without [`Permission::AuditRead`]; `Unavailable`.
pub async fn shown_drills(scope: &Scope, store: &Store) -> Result<Vec<Drill>> {
    scope.require(Permission::AuditRead)?;
    drills(store).await
}

pub(super) async fn add_drill(store: &Store, began_at: Timestamp, drill: Drill) -> Result<()> {
    let row = restore_drills::ActiveModel {
        id: Set(drill.id),
        backup_id: Set(drill.backup),
        began_at: Set(began_at),
        finished_at: Set(drill.finished_at),
        has_passed: Set(drill.has_passed),
        failure: Set(drill.failure),
        report_jws: Set(drill.report),
    };
    let tx = store.write_instance().await?;
    restore_drills::Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.commit().await
}

/// Writes the same entry into the audit log of every workspace: what happens to the installation happens to each.
pub(crate) async fn tell_all(store: &Store, event: impl Fn() -> Event) -> Result<()> {
    for workspace in workspaces::all_ids(store).await? {
        let scope = Scope::duty(workspace, "backup");
        let tx = store.write(&scope).await?;
        audit::append(&scope, &tx, event()).await?;
        tx.commit().await?;
    }
    Ok(())
}

impl From<backups::Model> for Backup {
    fn from(row: backups::Model) -> Self {
        let state = match row.state.as_str() {
            state::RUNNING => BackupState::Running,
            state::DONE => BackupState::Kept,
            state::GONE => BackupState::Gone,
            _ => BackupState::Failed,
        };
        Self {
            id: row.id,
            place: row.place,
            state,
            began_at: row.began_at,
            finished_at: row.finished_at,
            gone_at: row.gone_at,
            bytes: row.bytes,
            rows: row.stored_rows,
            files: row.files,
            failure: row.failure,
        }
    }
}

impl From<restore_drills::Model> for Drill {
    fn from(row: restore_drills::Model) -> Self {
        Self {
            id: row.id,
            backup: row.backup_id,
            finished_at: row.finished_at,
            has_passed: row.has_passed,
            failure: row.failure,
            report: row.report_jws,
        }
    }
}
