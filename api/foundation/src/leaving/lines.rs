//! A table of a workspace as lines, page by page in the order of its key, the same from SQLite and from Postgres.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as Bound};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    opened::{self, Keys},
    plan::TablePlan,
};
use crate::{
    backups::{
        catalogue::{Column, ColumnKind},
        rows,
    },
    error::{Error, Result},
    id::WorkspaceId,
};

/// Rows that are read at once.
const PAGE: usize = 300;

/// Reads a table page by page.
pub(crate) struct Pages<'a, C> {
    db: &'a C,
    plan: &'a TablePlan,
    after: Option<Vec<Bound>>,
    is_over: bool,
}

impl<'a, C: ConnectionTrait> Pages<'a, C> {
    pub fn new(db: &'a C, plan: &'a TablePlan) -> Self {
        Self { db, plan, after: None, is_over: false }
    }

    /// The next rows, opened: a value for each column of the plan. None behind the last.
    ///
    /// # Errors
    /// As [`opened::open`]; `Unavailable`.
    pub async fn next(&mut self, keys: &mut Keys<'_>) -> Result<Option<Vec<Vec<Value>>>> {
        if self.is_over {
            return Ok(None);
        }
        let table = &self.plan.table;
        let statement = self.statement(keys.workspace());
        let page = self.db.query_all_raw(statement).await?;
        self.is_over = page.len() < PAGE;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(table.key.iter().map(|column| rows::value_of(column, last)).collect::<Result<_>>()?);
        let mut shown = Vec::with_capacity(page.len());
        for row in &page {
            let values: Vec<Value> =
                table.columns.iter().map(|column| rows::plain(column, row)).collect::<Result<_>>()?;
            shown.push(opened::open(self.plan, &values, keys).await?);
        }
        Ok(Some(shown))
    }

    fn statement(&self, workspace: WorkspaceId) -> Statement {
        let backend = self.db.get_database_backend();
        let table = &self.plan.table;
        let names =
            |columns: &[Column]| columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>();
        let (columns, place, own) = (names(&table.columns).join(", "), &table.place, &self.plan.rows);
        // Bytes decide the order of text, whatever the language of the database.
        let key: Vec<String> = names(&table.key)
            .into_iter()
            .zip(&table.key)
            .map(|(name, column)| match (backend, column.kind) {
                (DbBackend::Postgres, ColumnKind::Text) => format!("{name} COLLATE \"C\""),
                _ => name,
            })
            .collect();
        let key = key.join(", ");
        let mut values = vec![workspace.into()];
        let behind = match &self.after {
            None => String::new(),
            Some(after) => {
                let numbers: Vec<String> = (2..after.len() + 2).map(|number| format!("${number}")).collect();
                values.extend(after.iter().cloned());
                format!(" AND ({key}) > ({})", numbers.join(", "))
            }
        };
        let sql = format!("SELECT {columns} FROM {place} WHERE {own}{behind} ORDER BY {key} LIMIT {PAGE}");
        Statement::from_sql_and_values(backend, sql, values)
    }
}

/// How many rows a table has for an archive.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn count(db: &impl ConnectionTrait, plan: &TablePlan, workspace: WorkspaceId) -> Result<u64> {
    let sql = format!("SELECT COUNT(*) AS found FROM {} WHERE {}", plan.table.place, plan.rows);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [workspace.into()]);
    let row = db.query_one_raw(statement).await?.ok_or_else(|| Error::internal("COUNT answers one row"))?;
    Ok(row.try_get::<i64>("", "found")?.unsigned_abs())
}

/// A row as a line of NDJSON.
pub(crate) fn line(plan: &TablePlan, shown: Vec<Value>) -> String {
    format!("{}\n", opened::object(plan, shown))
}

/// What an archive of now would say of a table: its rows, and the hash of its NDJSON file.
///
/// # Errors
/// As [`Pages::next`].
pub(crate) async fn digest(db: &impl ConnectionTrait, plan: &TablePlan, keys: &mut Keys<'_>) -> Result<(u64, String)> {
    let (mut pages, mut hash, mut rows) = (Pages::new(db, plan), Sha256::new(), 0);
    while let Some(page) = pages.next(keys).await? {
        for shown in page {
            hash.update(line(plan, shown));
            rows += 1;
        }
    }
    Ok((rows, hex::encode(hash.finalize())))
}
