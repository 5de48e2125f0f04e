//! The second reader: counts what is left about a person, by another way than the holders took.
//!
//! It asks the database's own catalogue which tables have a `subject_id`, so a table that no holder thought of is found
//! too. It proves first that it can see the workspace at all: row-level security shows nothing to a reader who forgot
//! to name a workspace, and nothing looks like zero.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::subjects;
use crate::{
    error::{Error, Result},
    id::SubjectId,
    scope::Scope,
    store::{Store, WorkspaceTx},
};

/// Tables that keep the surrogate id on purpose: the tombstone and the record that the right was served.
const KEPT: [&str; 2] = ["subjects", "erasures"];

/// What is left, table by table; tables with nothing are not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remainder {
    /// Tables that were counted.
    pub tables: u64,
    /// Rows left, by table.
    pub left: Vec<(String, u64)>,
}

impl Remainder {
    /// Rows left in all.
    pub fn rows(&self) -> u64 {
        self.left.iter().map(|(_, rows)| rows).sum()
    }
}

/// Counts in a transaction of its own.
///
/// # Errors
/// `Unavailable`; `Internal` where the reader cannot see the workspace.
pub async fn count(scope: &Scope, store: &Store, subject: SubjectId) -> Result<Remainder> {
    let tx = store.read(scope).await?;
    if subjects::find(&tx, subject).await?.is_none() {
        return Err(Error::internal("the second reader does not see the person it is to look for"));
    }
    let tables = tables_about_people(&tx).await?;
    let mut left = Vec::new();
    for table in &tables {
        let sql = format!("SELECT COUNT(*) AS rows FROM \"{table}\" WHERE workspace_id = $1 AND subject_id = $2");
        let values = [tx.workspace().into(), subject.into()];
        let row = tx.query_one_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
        let rows: i64 = row.ok_or_else(|| Error::internal("COUNT answers one row"))?.try_get("", "rows")?;
        if rows > 0 {
            left.push((table.clone(), rows.unsigned_abs()));
        }
    }
    Ok(Remainder { tables: tables.len() as u64, left })
}

async fn tables_about_people(tx: &WorkspaceTx) -> Result<Vec<String>> {
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
