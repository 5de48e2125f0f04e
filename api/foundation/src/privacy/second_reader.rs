//! The second reader: counts what is left about a person, by another way than the holders took.
//!
//! It asks the database's own catalogue which tables have a `subject_id`, so a table that no holder thought of is found
//! too. It proves first that it can see the workspace at all: row-level security shows nothing to a reader who forgot
//! to name a workspace, and nothing looks like zero.

use std::fmt;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};

use super::subjects;
use crate::{
    backups::rows::name_workspace,
    error::{Error, Result},
    id::{SubjectId, WorkspaceId},
    scope::Scope,
    store::{InstanceTx, Store, connect::connect_reader},
};

/// Tables that keep the surrogate id on purpose: the tombstone, the record that the right was served, and what held it up.
pub(crate) const KEPT: [&str; 3] = ["subjects", "erasures", "holds"];

/// What is left, table by table; tables with nothing are not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remainder {
    /// Tables that were counted.
    pub tables: u64,
    /// Database roles that counted.
    pub roles: u64,
    /// Rows left, by table.
    pub left: Vec<(String, u64)>,
}

impl Remainder {
    /// Rows left in all.
    pub fn rows(&self) -> u64 {
        self.left.iter().map(|(_, rows)| rows).sum()
    }
}

impl fmt::Display for Remainder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.roles > 1 { format!(" by {} database roles", self.roles) } else { String::new() };
        write!(f, "{} tables counted{by}", self.tables)
    }
}

/// A connection of another database role, on Postgres: what the first one does not see because its rights or policies are wrong,
/// this one does. It needs to read every table, and nothing else.
#[derive(Clone)]
pub struct OtherRole(DatabaseConnection);

impl OtherRole {
    /// Connects.
    ///
    /// # Errors
    /// `Unavailable`, `Misconfigured`.
    pub async fn connect(url: &str) -> Result<Self> {
        Ok(Self(connect_reader(url).await?))
    }

    async fn count(&self, workspace: WorkspaceId, subject: SubjectId, tables: &[String]) -> Result<Vec<(String, u64)>> {
        let tx = self.0.begin().await?;
        name_workspace(&tx, workspace).await?;
        let sql = "SELECT 1 AS one FROM subjects WHERE workspace_id = $1 AND id = $2";
        let values = [workspace.into(), subject.into()];
        let sees = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        if sees.is_none() {
            return Err(Error::internal("the other role does not see the person it is to look for"));
        }
        let left = count_in(&tx, workspace, subject, tables).await?;
        tx.rollback().await?;
        Ok(left)
    }
}

/// Counts in a transaction of its own, and by the other role too where there is one.
///
/// # Errors
/// `Unavailable`; `Internal` where a reader cannot see the workspace, or may not read a table.
pub async fn count(scope: &Scope, store: &Store, other: Option<&OtherRole>, subject: SubjectId) -> Result<Remainder> {
    let tx = store.read(scope).await?;
    if subjects::find(&tx, subject).await?.is_none() {
        return Err(Error::internal("the second reader does not see the person it is to look for"));
    }
    let tables = tables_about_people(&tx).await?;
    let mut left = count_in(tx.db(), tx.workspace(), subject, &tables).await?;
    if let Some(other) = other {
        for (table, rows) in other.count(tx.workspace(), subject, &tables).await? {
            match left.iter_mut().find(|(known, _)| *known == table) {
                Some((_, known)) => *known = rows.max(*known),
                None => left.push((table, rows)),
            }
        }
    }
    Ok(Remainder { tables: tables.len() as u64, roles: if other.is_some() { 2 } else { 1 }, left })
}

async fn count_in(
    db: &impl ConnectionTrait,
    workspace: WorkspaceId,
    subject: SubjectId,
    tables: &[String],
) -> Result<Vec<(String, u64)>> {
    let mut left = Vec::new();
    for table in tables {
        let sql = format!("SELECT COUNT(*) AS rows FROM \"{table}\" WHERE workspace_id = $1 AND subject_id = $2");
        let values = [workspace.into(), subject.into()];
        let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
        let rows: i64 = row.ok_or_else(|| Error::internal("COUNT answers one row"))?.try_get("", "rows")?;
        if rows > 0 {
            left.push((table.clone(), rows.unsigned_abs()));
        }
    }
    Ok(left)
}

/// Tables that have rows about people, by the catalogue, without those that are kept on purpose.
pub(super) async fn tables_about_people(tx: &InstanceTx) -> Result<Vec<String>> {
    let sql = match tx.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name::text AS name FROM information_schema.columns \
             WHERE column_name = 'subject_id' AND table_schema = current_schema() ORDER BY 1"
        }
        _ => {
            "SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'subject_id' ORDER BY 1"
        }
    };
    let rows = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await?;
    let mut names = Vec::new();
    for row in rows {
        let name: String = row.try_get("", "name")?;
        if !KEPT.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Error::internal("the catalogue names no table about people"));
    }
    Ok(names)
}
