//! Restoring a backup into a place that is empty.
//!
//! In this order, so that a process which is killed in between leaves nobody readable who was erased: the keys, as they are now;
//! the ledger; the keys of everybody in it are dropped; then the files; then the rows, in one transaction, each table compared
//! with what the backup says of it. Erasures that the restored rows do not know are done again by the ledger's replay, before
//! the gateway opens.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, Statement, sea_query::Expr};

use super::{
    catalogue::{self, Schema},
    crypt::Identity,
    digest::TableDigest,
    dump, files, keys, ledger,
    manifest::Manifest,
    record,
    rows::{self, Existing},
    target::{Target, data_path, files_path},
};
use crate::{
    blobs::Blobs,
    error::{Error, ErrorKind, Result},
    id::{BackupId, SubjectId, WorkspaceId},
    store::{Store, entity::sessions, entity::subjects},
    vault::{InstanceIndex, Provider},
};

/// Why a session of before the restore is over.
const RESTORED: &str = "RESTORED";

/// Where a backup comes from.
pub struct Source<'a> {
    /// Where the backup is.
    pub backup: &'a Target,
    /// Where the key store's current copy and the ledger are.
    pub keys: &'a Target,
    /// What opens them.
    pub identity: &'a Identity,
    /// Which backup.
    pub manifest: &'a Manifest,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Rows by table, each compared with the manifest.
    pub tables: Vec<TableDigest>,
    /// Files that were written; those that were there already are not counted.
    pub files: u64,
    /// Entries of the ledger.
    pub ledger_entries: u64,
    /// People in the ledger who are alive in the backup: they are not brought back.
    pub refused: u64,
    /// Keys of theirs that the copy of the key store still had.
    pub keys_dropped: u64,
}

/// What vouches for the backups of an installation, out of the copy of its key store.
///
/// # Errors
/// `Misconfigured` for another root key or identity; `Corrupt`; `Unavailable`.
pub async fn vouching(from: &Target, identity: &Identity, keys: &Provider) -> Result<InstanceIndex> {
    keys::vouching(from, identity, keys).await
}

/// The newest backup of a place, or the one that is named.
///
/// # Errors
/// `NotFound`; `Corrupt` where it was not made by the installation with these keys; `Unavailable`.
pub async fn choose(target: &Target, own: &InstanceIndex, id: Option<BackupId>) -> Result<Manifest> {
    if let Some(id) = id {
        return Manifest::read(target, id, own).await;
    }
    for id in target.backups().await?.into_iter().rev() {
        match Manifest::read(target, id, own).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            read => return read,
        }
    }
    Err(Error::new(ErrorKind::NotFound, format!("There is no backup at {}.", target.name())))
}

/// Refuses unless nobody lives here. Only tables that belong to no workspace are looked at, since those are what every role
/// sees: no workspace, no account, no job.
///
/// # Errors
/// `Conflict`, with the tables by name.
pub async fn refuse_unless_empty(db: &DatabaseConnection) -> Result<()> {
    // A database without any table is as empty as can be.
    let Ok(tables) = catalogue::tables(db, Schema::Data).await else { return Ok(()) };
    let mut full = Vec::new();
    for table in tables.iter().filter(|table| !table.is_scoped()) {
        let sql = format!("SELECT 1 AS one FROM {} LIMIT 1", table.place);
        if db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_some() {
            full.push(table.name.as_str());
        }
    }
    if full.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "This place is not empty: there are rows in {}. A restore writes over nothing; give it an empty database and \
             an empty data folder.",
            full.join(", ")
        ),
    ))
}

/// Fills a store whose schema stands where the backup's stood.
///
/// # Errors
/// `Corrupt` where a part is not what the manifest says; `Misconfigured` for another root key or identity; `Unavailable`. Rows are
/// there all or not at all.
pub async fn load(store: &Store, blobs: &Blobs, from: &Source<'_>) -> Result<Restored> {
    keys::restore(store, from.keys, from.identity).await?;
    let entries = ledger::restore(blobs, from.keys).await?;
    let keys_dropped = drop_keys(store, entries.iter().map(|entry| (entry.workspace, entry.subject))).await?;
    let people: HashSet<_> = entries.iter().map(|entry| (entry.workspace, entry.subject)).collect();
    let list = files::list(from.backup, &files_path(from.manifest.id), Some(&from.manifest.file_list)).await?;
    let mut written = 0;
    for file in &list {
        if !files::is_there(file, blobs).await? {
            files::restore(file, from.backup, from.identity, Some(blobs)).await?;
            written += 1;
        }
    }
    // Last, so that what failed before can be tried again: a place is empty as long as it has no rows.
    let (tables, refused) = load_rows(store, from, &people).await?;
    // Its own row says that it was being made.
    record::done(store, from.backup.name(), from.manifest).await?;
    Ok(Restored { tables, files: written, ledger_entries: entries.len() as u64, refused, keys_dropped })
}

/// Drops keys of people in the ledger; answers how many there were.
pub(super) async fn drop_keys(store: &Store, people: impl Iterator<Item = (WorkspaceId, SubjectId)>) -> Result<u64> {
    let mut dropped = 0;
    for (workspace, subject) in people {
        let has_key = match store.vault().subject_key(workspace, subject).await {
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::SubjectErased) => false,
            Err(error) => return Err(error),
        };
        store.vault().shred(workspace, subject).await?;
        dropped += u64::from(has_key);
    }
    Ok(dropped)
}

/// Writes all rows and compares what is there then with the manifest, in one transaction.
pub(super) async fn load_rows(
    store: &Store,
    from: &Source<'_>,
    erased: &HashSet<(WorkspaceId, SubjectId)>,
) -> Result<(Vec<TableDigest>, u64)> {
    let source = from.backup.open_part(&data_path(from.manifest.id), from.identity).await?;
    let tx = store.write_instance().await?;
    let told = dump::write(tx.db(), Schema::Data, Existing::Refuse, source).await?;
    let workspaces = super::make::workspaces_of(&tx).await?;
    restrict_again(&tx, &workspaces).await?;
    let there = dump::read(tx.db(), Schema::Data, &workspaces, None).await?;
    compare(&from.manifest.tables, &told)?;
    compare(&from.manifest.tables, &there)?;
    let refused = count_alive(&tx, &workspaces, erased).await?;
    // A session may have been revoked since: everybody signs in again.
    sessions::Entity::update_many()
        .col_expr(sessions::Column::RevokedAt, Expr::value(store.now()))
        .col_expr(sessions::Column::RevokedBecause, Expr::value(RESTORED))
        .filter(sessions::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    Ok((there, refused))
}

/// Restricts the data of those whose restriction was not lifted, now that all of it is there.
pub(crate) async fn restrict_again(tx: &crate::store::InstanceTx, workspaces: &[WorkspaceId]) -> Result<()> {
    const OF_PERSON: &str = "FROM restrictions r WHERE r.workspace_id = subjects.workspace_id \
                             AND r.subject_id = subjects.id AND r.lifted_at IS NULL";
    for workspace in workspaces {
        if tx.get_database_backend() == sea_orm::DbBackend::Postgres {
            rows::name_workspace(tx.db(), *workspace).await?;
        }
        let sql = format!(
            "UPDATE subjects SET restricted_at = (SELECT MAX(r.restricted_at) {OF_PERSON}) \
             WHERE workspace_id = $1 AND EXISTS (SELECT 1 {OF_PERSON})"
        );
        let values = [(*workspace).into()];
        tx.execute_raw(sea_orm::Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    }
    Ok(())
}

/// Each table has the rows that the manifest says, none more and none less.
fn compare(told: &[TableDigest], found: &[TableDigest]) -> Result<()> {
    for table in told {
        let same = found.iter().find(|other| other.table == table.table);
        if same != Some(table) {
            let rows = same.map_or(0, |other| other.rows);
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{} came back with {rows} rows that are not the {} of the backup.", table.table, table.rows),
            ));
        }
    }
    match found.iter().find(|table| table.rows > 0 && !told.iter().any(|other| other.table == table.table)) {
        Some(table) => {
            Err(Error::new(ErrorKind::Corrupt, format!("{} has rows that the backup has not.", table.table)))
        }
        None => Ok(()),
    }
}

/// How many of the erased are not erased in these rows.
async fn count_alive(
    tx: &crate::store::InstanceTx,
    workspaces: &[WorkspaceId],
    erased: &HashSet<(WorkspaceId, SubjectId)>,
) -> Result<u64> {
    let mut alive = 0;
    for workspace in workspaces {
        if tx.get_database_backend() == sea_orm::DbBackend::Postgres {
            rows::name_workspace(tx.db(), *workspace).await?;
        }
        for (_, subject) in erased.iter().filter(|(of, _)| of == workspace) {
            let row = subjects::Entity::find_by_id((*workspace, *subject)).one(tx.db()).await?;
            alive += u64::from(row.is_some_and(|row| row.state != crate::privacy::subjects::state::ERASED));
        }
    }
    Ok(alive)
}
