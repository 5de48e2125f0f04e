//! Sealing rows anew by the version that seals, and counting what is left.

use sea_orm::{ConnectionTrait, Statement, Value};

use super::tables::{Sealed, TABLES};
use crate::{
    error::{Error, Result},
    id::WorkspaceId,
    privacy::register::Seal,
    scope::Scope,
    store::{InstanceTx, Store, WorkspaceTx},
    vault::{
        Key,
        versions::{INSTALLATION, kind_of},
    },
};

/// Values that are sealed anew in one transaction.
const PIECE: u64 = 100;

/// A transaction among the rows that a key seals: of a workspace, or of the installation.
enum Rows {
    Workspace(WorkspaceTx),
    Installation(InstanceTx),
}

impl Rows {
    async fn read(store: &Store, workspace: WorkspaceId) -> Result<Self> {
        if workspace == INSTALLATION {
            return Ok(Self::Installation(store.read_instance().await?));
        }
        Ok(Self::Workspace(store.read_for_rights(&scope(workspace)).await?))
    }

    async fn write(store: &Store, workspace: WorkspaceId) -> Result<Self> {
        if workspace == INSTALLATION {
            return Ok(Self::Installation(store.write_instance().await?));
        }
        Ok(Self::Workspace(store.write(&scope(workspace)).await?))
    }

    fn tx(&self) -> &InstanceTx {
        match self {
            Self::Workspace(tx) => tx,
            Self::Installation(tx) => tx,
        }
    }

    async fn commit(self) -> Result<()> {
        match self {
            Self::Workspace(tx) => tx.commit().await,
            Self::Installation(tx) => tx.commit().await,
        }
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.tx().get_database_backend(), sql, values)
    }
}

pub(super) fn scope(workspace: WorkspaceId) -> Scope {
    Scope::duty(workspace, super::duty::NAME)
}

pub(super) fn tables_of(workspace: WorkspaceId) -> impl Iterator<Item = &'static Sealed> {
    let seal = if workspace == INSTALLATION { Seal::Root } else { Seal::Workspace };
    TABLES.iter().filter(move |sealed| sealed.seal == seal)
}

/// Seals anew what a version sealed in the rows of a workspace, or of the installation. Each piece is a transaction of its own, so
/// that it may be broken off anywhere; a value that somebody else wrote meanwhile stays theirs. Answers how many.
pub(super) async fn reseal(store: &Store, workspace: WorkspaceId, version: u32) -> Result<u64> {
    let key = store.vault().key_of(workspace).await?;
    if key.sealing_version() == version {
        return Err(Error::internal("a version that seals is no old one"));
    }
    let mut resealed = 0;
    for sealed in tables_of(workspace) {
        for column in sealed.columns {
            resealed += reseal_column(store, workspace, version, &key, sealed, column).await?;
        }
    }
    Ok(resealed)
}

async fn reseal_column(
    store: &Store,
    workspace: WorkspaceId,
    version: u32,
    key: &Key,
    sealed: &Sealed,
    column: &'static str,
) -> Result<u64> {
    let mut resealed = 0;
    loop {
        // Whether there is anything, without waiting for a turn to write.
        let rows = Rows::read(store, workspace).await?;
        if old_values(&rows, workspace, version, sealed, column, 1).await?.is_empty() {
            return Ok(resealed);
        }
        drop(rows);
        let rows = Rows::write(store, workspace).await?;
        for row in old_values(&rows, workspace, version, sealed, column, PIECE).await? {
            let old: Vec<u8> = row.try_get("", column)?;
            let place = sealed.place(workspace, column, &row)?;
            let new = key.seal(&place, &key.open(&place, &old)?);
            let mut sql =
                format!("UPDATE {} SET {column} = $1 WHERE {} = $2 AND {column} = $3", sealed.table, sealed.found_by());
            let mut values: Vec<Value> = vec![new.into(), sealed.address(&row)?, old.into()];
            if workspace != INSTALLATION {
                sql.push_str(" AND workspace_id = $4");
                values.push(workspace.into());
            }
            resealed += rows.tx().execute_raw(rows.statement(&sql, values)).await?.rows_affected();
        }
        rows.commit().await?;
    }
}

/// How many values of a workspace, or of the installation, are sealed under a version; it stops counting at the first table that
/// has any.
pub(super) async fn count(store: &Store, workspace: WorkspaceId, version: u32) -> Result<u64> {
    let rows = Rows::read(store, workspace).await?;
    for sealed in tables_of(workspace) {
        for column in sealed.columns {
            let found = old_values(&rows, workspace, version, sealed, column, PIECE).await?.len();
            if found > 0 {
                return Ok(found as u64);
            }
        }
    }
    Ok(0)
}

async fn old_values(
    rows: &Rows,
    workspace: WorkspaceId,
    version: u32,
    sealed: &Sealed,
    column: &str,
    most: u64,
) -> Result<Vec<sea_orm::QueryResult>> {
    let mut sql =
        format!("SELECT {}, {column} FROM {} WHERE substr({column}, 1, 6) = $1", sealed.selected(), sealed.table);
    let mut values: Vec<Value> = vec![Key::header_of(kind_of(workspace), version).into()];
    if workspace != INSTALLATION {
        sql.push_str(" AND workspace_id = $2");
        values.push(workspace.into());
    }
    sql.push_str(&format!(" LIMIT {most}"));
    Ok(rows.tx().query_all_raw(rows.statement(&sql, values)).await?)
}
