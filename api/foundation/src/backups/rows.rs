//! Rows as lines, and lines as rows: one JSON array a row, the same from SQLite and from Postgres.
//!
//! ```text
//! {"table":"chats","columns":[["workspace_id","bytes"],["id","bytes"],["state","text"]]}
//! ["AZ4r...","AZ4s...","OPEN"]
//! ```
//! Integers are numbers (a truth value is 0 or 1), bytes are base64 (an id is 16 of them), text is text; a real number is the
//! shortest text that reads back as the same number.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value as Bound};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    catalogue::{Column, ColumnKind, Table},
    digest::{Rows, TableDigest},
    target::PartWriter,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
};

/// Rows that are read at once.
const PAGE: usize = 500;

/// Values of one statement that writes, well below what either database allows.
const MOST_VALUES: usize = 4_000;

/// The line that a table begins with.
pub(crate) fn head(table: &Table) -> Value {
    let columns: Vec<_> = table.columns.iter().map(|column| json!([column.name, column.kind.word()])).collect();
    json!({ "table": table.name, "columns": columns })
}

/// Reads a whole table in the transaction of `db`, page by page in the order of its key, and answers what it held. The lines go
/// to `out`; without one they are only counted.
///
/// Postgres shows a scoped row to its own workspace alone, so those tables are read workspace by workspace.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    table: &Table,
    workspaces: &[WorkspaceId],
    mut out: Option<&mut PartWriter>,
) -> Result<TableDigest> {
    let mut rows = Rows::of(&table.name);
    if let Some(out) = &mut out {
        out.write(format!("{}\n", head(table)).as_bytes()).await?;
    }
    if table.is_scoped() && db.get_database_backend() == DbBackend::Postgres {
        for workspace in workspaces {
            name_workspace(db, *workspace).await?;
            read_pages(db, table, &mut rows, &mut out).await?;
        }
    } else {
        read_pages(db, table, &mut rows, &mut out).await?;
    }
    Ok(rows.finish())
}

async fn read_pages(
    db: &impl ConnectionTrait,
    table: &Table,
    rows: &mut Rows,
    out: &mut Option<&mut PartWriter>,
) -> Result<()> {
    let mut after: Option<Vec<Bound>> = None;
    loop {
        let page = db.query_all_raw(page_statement(db.get_database_backend(), table, after)).await?;
        let mut lines = String::new();
        for row in &page {
            let line = line_of(table, row)?;
            rows.add(&line);
            lines.push_str(&line);
            lines.push('\n');
        }
        if let Some(out) = out {
            out.write(lines.as_bytes()).await?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(key_of(table, last)?),
            _ => return Ok(()),
        }
    }
}

fn page_statement(backend: DbBackend, table: &Table, after: Option<Vec<Bound>>) -> Statement {
    let columns = names(&table.columns);
    let (key, place) = (names(&table.key), &table.place);
    let behind = match &after {
        None => String::new(),
        Some(values) => {
            let numbers: Vec<String> = (1..=values.len()).map(|number| format!("${number}")).collect();
            format!(" WHERE ({key}) > ({})", numbers.join(", "))
        }
    };
    let sql = format!("SELECT {columns} FROM {place}{behind} ORDER BY {key} LIMIT {PAGE}");
    Statement::from_sql_and_values(backend, sql, after.unwrap_or_default())
}

fn names(columns: &[Column]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    quoted.join(", ")
}

/// Every following statement of this transaction is about this workspace.
pub(crate) async fn name_workspace(db: &impl ConnectionTrait, workspace: WorkspaceId) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        // A backup holds what is restricted, too.
        "SELECT set_config('app.workspace_id', $1, true), set_config('app.sees_restricted', 'yes', true)",
        [workspace.0.to_string().into()],
    );
    db.query_one_raw(statement).await?;
    Ok(())
}

fn line_of(table: &Table, row: &QueryResult) -> Result<String> {
    let values: Vec<Value> = table.columns.iter().map(|column| plain(column, row)).collect::<Result<_>>()?;
    Ok(Value::Array(values).to_string())
}

fn key_of(table: &Table, row: &QueryResult) -> Result<Vec<Bound>> {
    table.key.iter().map(|column| value_of(column, row)).collect()
}

/// A value as this database gave it and takes it.
pub(crate) fn value_of(column: &Column, row: &QueryResult) -> Result<Bound> {
    bind(column.kind, &plain(column, row)?)
}

/// A value as a backup says it.
pub(crate) fn plain(column: &Column, row: &QueryResult) -> Result<Value> {
    let name = column.name.as_str();
    Ok(match column.kind {
        ColumnKind::Uuid => row.try_get::<Option<Uuid>>("", name)?.map(|id| encode(id.as_bytes())).into(),
        ColumnKind::Bytes => row.try_get::<Option<Vec<u8>>>("", name)?.map(|bytes| encode(&bytes)).into(),
        ColumnKind::Integer => row.try_get::<Option<i64>>("", name)?.into(),
        ColumnKind::Boolean => row.try_get::<Option<bool>>("", name)?.map(i64::from).into(),
        ColumnKind::Real => row.try_get::<Option<f64>>("", name)?.map(|number| number.to_string()).into(),
        ColumnKind::Text => row.try_get::<Option<String>>("", name)?.into(),
    })
}

fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

/// A value as this database takes it.
pub(crate) fn bind(kind: ColumnKind, value: &Value) -> Result<Bound> {
    if value.is_null() {
        return Ok(match kind {
            ColumnKind::Uuid => Bound::Uuid(None),
            ColumnKind::Bytes => Bound::Bytes(None),
            ColumnKind::Integer => Bound::BigInt(None),
            ColumnKind::Boolean => Bound::Bool(None),
            ColumnKind::Real => Bound::Double(None),
            ColumnKind::Text => Bound::String(None),
        });
    }
    let bytes = || BASE64_STANDARD_NO_PAD.decode(value.as_str()?).ok();
    let bound = match kind {
        ColumnKind::Uuid => bytes().and_then(|bytes| Uuid::from_slice(&bytes).ok()).map(Bound::from),
        ColumnKind::Bytes => bytes().map(Bound::from),
        ColumnKind::Integer => value.as_i64().map(Bound::from),
        ColumnKind::Boolean => value.as_i64().map(|number| Bound::from(number != 0)),
        ColumnKind::Real => value.as_str().and_then(|text| text.parse::<f64>().ok()).map(Bound::from),
        ColumnKind::Text => value.as_str().map(Bound::from),
    };
    bound.ok_or_else(corrupt)
}

/// What happens to a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is an error: the place was to be empty.
    Refuse,
    /// It stays as it is: a tombstone of the key store is never written over.
    Keep,
}

/// Writes the rows of one table, some at a time.
pub(crate) struct TableWriter<'a, C> {
    db: &'a C,
    table: Table,
    /// The columns in the order of the lines.
    columns: Vec<Column>,
    existing: Existing,
    /// Where the workspace of a row stands in it, on Postgres.
    scope: Option<usize>,
    workspace: Option<WorkspaceId>,
    waiting: Vec<Bound>,
    rows: Rows,
}

impl<'a, C: ConnectionTrait> TableWriter<'a, C> {
    /// A writer for the table of this head.
    pub fn new(db: &'a C, tables: &[Table], head: &Value, existing: Existing) -> Result<Self> {
        let name = head["table"].as_str().ok_or_else(corrupt)?;
        let table = tables.iter().find(|table| table.name == name).ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("The backup has a table {name} that this database does not have."))
        })?;
        let told = head["columns"].as_array().ok_or_else(corrupt)?;
        let mut columns = Vec::with_capacity(told.len());
        for column in told {
            let (name, word) = (column[0].as_str().ok_or_else(corrupt)?, column[1].as_str().ok_or_else(corrupt)?);
            let known = table.columns.iter().find(|known| known.name == name && known.kind.word() == word);
            columns.push(known.cloned().ok_or_else(|| {
                let message =
                    format!("The backup has a column {}.{name} that this database does not have.", table.name);
                Error::new(ErrorKind::Conflict, message)
            })?);
        }
        // The copy of a key store that an older program wrote lacks what came later, which may be empty.
        if columns.len() != table.columns.len() && existing == Existing::Refuse {
            let message = format!("The backup lacks columns of {} that this database has.", table.name);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let is_postgres = db.get_database_backend() == DbBackend::Postgres;
        let scope = columns.iter().position(|column| column.name == "workspace_id").filter(|_| is_postgres);
        let (table, rows) = (table.clone(), Rows::of(name));
        Ok(Self { db, table, columns, existing, scope, workspace: None, waiting: Vec::new(), rows })
    }

    /// Takes a line.
    pub async fn line(&mut self, line: &str) -> Result<()> {
        let values: Vec<Value> = serde_json::from_str(line).map_err(|_| corrupt())?;
        if values.len() != self.columns.len() {
            return Err(corrupt());
        }
        let bound = |(column, value): (&Column, &Value)| {
            bind(column.kind, if is_set_last(&self.table, column) { &Value::Null } else { value })
        };
        let bound: Vec<Bound> = self.columns.iter().zip(&values).map(bound).collect::<Result<_>>()?;
        if let Some(Bound::Uuid(Some(id))) = self.scope.map(|at| &bound[at]) {
            let workspace = WorkspaceId(*id);
            if self.workspace != Some(workspace) {
                self.flush().await?;
                name_workspace(self.db, workspace).await?;
                self.workspace = Some(workspace);
            }
        }
        self.rows.add(line);
        self.waiting.extend(bound);
        if self.waiting.len() + self.columns.len() > MOST_VALUES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let values = std::mem::take(&mut self.waiting);
        let width = self.columns.len();
        let rows: Vec<String> = (0..values.len() / width)
            .map(|row| {
                let numbers: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
                format!("({})", numbers.join(", "))
            })
            .collect();
        let existing = if self.existing == Existing::Keep { " ON CONFLICT DO NOTHING" } else { "" };
        let (place, columns) = (&self.table.place, names(&self.columns));
        let sql = format!("INSERT INTO {place} ({columns}) VALUES {}{existing}", rows.join(", "));
        self.db.execute_raw(Statement::from_sql_and_values(self.db.get_database_backend(), sql, values)).await?;
        Ok(())
    }

    /// Writes what waits, and says what was taken.
    pub async fn finish(mut self) -> Result<TableDigest> {
        self.flush().await?;
        Ok(self.rows.finish())
    }
}

/// That a person's data is restricted is written when all of it is there: from then on the database refuses more.
fn is_set_last(table: &Table, column: &Column) -> bool {
    table.name == "subjects" && column.name == "restricted_at"
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "The backup holds a line that no backup has.")
}
