//! Which tables there are, by the database's own catalogue: a table that nobody thought of is in the backup too, and one that
//! may not be read is an error rather than a gap.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use crate::error::{Error, Result};

/// Which of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    Data,
    /// The schema `keys` on Postgres, a file of its own on SQLite.
    Keys,
}

/// Tables in which migrations are remembered: the schema's version stands in the manifest instead.
const HISTORIES: [&str; 2] = ["seaql_migrations", "key_store_migrations"];

/// The column by which rows belong to a workspace.
const SCOPE: &str = "workspace_id";

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// The columns of its primary key, in order.
    pub key: Vec<Column>,
    /// As statements name it.
    pub place: String,
}

impl Table {
    /// Whether its rows belong to workspaces.
    pub fn is_scoped(&self) -> bool {
        self.columns.iter().any(|column| column.name == SCOPE)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// What a column holds, in the words of this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Uuid,
    Bytes,
    Integer,
    Boolean,
    Real,
    Text,
}

impl ColumnKind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "uuid" => Self::Uuid,
            "bytea" | "BLOB" => Self::Bytes,
            "bigint" | "INTEGER" => Self::Integer,
            "boolean" => Self::Boolean,
            "double precision" | "REAL" => Self::Real,
            "text" | "TEXT" => Self::Text,
            _ => return None,
        })
    }

    /// In the words of a backup, which are the same for both databases.
    pub fn word(self) -> &'static str {
        match self {
            Self::Uuid | Self::Bytes => "bytes",
            Self::Integer | Self::Boolean => "integer",
            Self::Real => "real",
            Self::Text => "text",
        }
    }
}

/// All tables, each after those that it refers to.
pub(crate) async fn tables(db: &impl ConnectionTrait, schema: Schema) -> Result<Vec<Table>> {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let (columns, references) =
        if is_postgres { (POSTGRES_COLUMNS, POSTGRES_REFERENCES) } else { (COLUMNS, REFERENCES) };
    let of_schema = match schema {
        Schema::Data => "current_schema()",
        Schema::Keys => "'keys'",
    };
    let all = |sql: &str| Statement::from_string(db.get_database_backend(), sql.replace("{schema}", of_schema));
    let mut tables: BTreeMap<String, (Table, BTreeMap<i64, Column>)> = BTreeMap::new();
    for row in db.query_all_raw(all(columns)).await? {
        let name: String = row.try_get("", "table_name")?;
        if HISTORIES.contains(&name.as_str()) {
            continue;
        }
        let (column, position) = column(&name, &row)?;
        let place =
            if is_postgres && schema == Schema::Keys { format!("keys.\"{name}\"") } else { format!("\"{name}\"") };
        let (table, key) = tables
            .entry(name.clone())
            .or_insert_with(|| (Table { name, columns: Vec::new(), key: Vec::new(), place }, BTreeMap::new()));
        if position > 0 {
            key.insert(position, column.clone());
        }
        table.columns.push(column);
    }
    let mut references_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in db.query_all_raw(all(references)).await? {
        let (from, to): (String, String) = (row.try_get("", "from_table")?, row.try_get("", "to_table")?);
        if from != to {
            references_of.entry(from).or_default().insert(to);
        }
    }
    let found = tables.into_values().map(|(table, key)| Table { key: key.into_values().collect(), ..table }).collect();
    in_order(found, &references_of)
}

fn column(table: &str, row: &QueryResult) -> Result<(Column, i64)> {
    let (name, word): (String, String) = (row.try_get("", "name")?, row.try_get("", "type")?);
    let kind = ColumnKind::parse(&word)
        .ok_or_else(|| Error::internal(format!("{table}.{name} is of the type {word}, which backups do not know")))?;
    Ok((Column { name, kind }, row.try_get("", "key_position")?))
}

/// Each table behind those that it refers to, so that it can be filled in this order.
fn in_order(mut left: Vec<Table>, references: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<Table>> {
    let mut ordered: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let waits = |table: &Table| {
            references
                .get(&table.name)
                .is_some_and(|to| to.iter().any(|name| left.iter().any(|other| other.name == *name)))
        };
        let (later, now): (Vec<Table>, Vec<Table>) = left.iter().cloned().partition(|table| waits(table));
        if now.is_empty() {
            return Err(Error::internal("tables refer to each other in a circle"));
        }
        if let Some(table) = now.iter().find(|table| table.key.is_empty()) {
            return Err(Error::internal(format!("{} has no primary key to read it by", table.name)));
        }
        ordered.extend(now);
        left = later;
    }
    if ordered.is_empty() { Err(Error::internal("the catalogue names no table")) } else { Ok(ordered) }
}

/// `pg_catalog` shows tables that this role may not read, which `information_schema` hides.
const POSTGRES_COLUMNS: &str = "\
    SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, NULL)::text AS type, \
    COALESCE(array_position(i.indkey::smallint[], a.attnum) + 1, 0)::bigint AS key_position \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
    WHERE c.relkind IN ('r', 'p') AND n.nspname = {schema} ORDER BY c.relname, a.attnum";

const POSTGRES_REFERENCES: &str = "\
    SELECT DISTINCT c.relname::text AS from_table, r.relname::text AS to_table FROM pg_constraint f \
    JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE f.contype = 'f' AND n.nspname = {schema}";

const COLUMNS: &str = "\
    SELECT m.name AS table_name, c.name AS name, c.type AS type, c.pk AS key_position \
    FROM sqlite_master m JOIN pragma_table_info(m.name, 'main') c \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";

const REFERENCES: &str = "\
    SELECT DISTINCT m.name AS from_table, f.\"table\" AS to_table FROM sqlite_master m \
    JOIN pragma_foreign_key_list(m.name, 'main') f WHERE m.type = 'table'";
