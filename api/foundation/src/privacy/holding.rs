//! What tables hold about a person: counted, and opened row by row. What each column is, the register says; where its value
//! is sealed, the [`Table`] says. So a column that is added is counted and exported without a line of code.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    identifiers,
    purposes::Purpose,
    register::{self, Category, ColumnLine, Seal, TableLine, Whose},
    subjects,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{
        AccountId, AnswerId, ApiKeyId, AssistantId, ChatId, DeliveryId, DocumentId, EscalationId, IdentifierId,
        MessageId, NoteId, PassageId, PasskeyId, SessionId, SubjectId, VisitorId, WorkspaceId,
    },
    scope::Scope,
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};

/// A table that holds something about people.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Where what it holds comes from (GDPR art. 15(1)(g)).
    pub source: &'static str,
    of: Of,
    row: &'static str,
    part: Option<&'static str>,
    part_by: Option<PartBy>,
    only: &'static [&'static str],
    provided: &'static [Provided],
    read: fn(&[u8]) -> Result<Value>,
}

/// A column, and which part of the place its value makes.
type PartBy = (&'static str, fn(&str) -> Option<i64>);

/// What of a table's rows the person provided (GDPR art. 20). Columns are named as a [`Holding`] names them.
#[derive(Debug)]
pub struct Provided {
    /// What it is, in the published schema.
    pub kind: &'static str,
    /// Only rows that have this value in this column.
    pub when: Option<(&'static str, &'static str)>,
    /// The column with what was provided; rows without it are none.
    pub text: &'static str,
    /// Its id.
    pub id: Option<&'static str>,
    /// The chat it belongs to.
    pub within: Option<&'static str>,
    /// When it was provided.
    pub at: Option<&'static str>,
    /// What kind of identifier it is.
    pub of_type: Option<&'static str>,
}

/// How rows are a person's.
#[derive(Debug)]
enum Of {
    /// By `subject_id`.
    Subject,
    /// By an account, in this column; the other one names the workspace, where the table has one.
    Account(&'static str, Option<&'static str>),
}

impl Table {
    /// A table whose rows name a person in `subject_id`, and whose sealed values stand at the row's `id`.
    pub const fn of_subject(name: &'static str, source: &'static str) -> Self {
        Self {
            name,
            source,
            of: Of::Subject,
            row: "id",
            part: None,
            part_by: None,
            only: &[],
            provided: &[],
            read: text,
        }
    }

    /// A table whose rows name an account in this column.
    pub const fn of_account(name: &'static str, source: &'static str, column: &'static str) -> Self {
        let of = Of::Account(column, Some("workspace_id"));
        Self { name, source, of, row: "id", part: None, part_by: None, only: &[], provided: &[], read: text }
    }

    /// Sealed values stand at what this column names, and this part of it.
    pub const fn sealed_at(self, row: &'static str, part: Option<&'static str>) -> Self {
        Self { row, part, ..self }
    }

    /// Sealed values stand at a part that this makes of a word in this column.
    pub const fn part_by(self, column: &'static str, number: fn(&str) -> Option<i64>) -> Self {
        Self { part_by: Some((column, number)), ..self }
    }

    /// Another column than `workspace_id` names the workspace, or none does.
    pub const fn workspace_in(self, column: Option<&'static str>) -> Self {
        let of = match self.of {
            Of::Subject => Of::Subject,
            Of::Account(account, _) => Of::Account(account, column),
        };
        Self { of, ..self }
    }

    /// Only these columns are the person's: the rest of the row is about somebody else.
    pub const fn only(self, columns: &'static [&'static str]) -> Self {
        Self { only: columns, ..self }
    }

    /// This of it the person provided.
    pub const fn provided(self, provided: &'static [Provided]) -> Self {
        Self { provided, ..self }
    }

    /// Sealed values are read by this, once they are opened.
    pub const fn read_by(self, read: fn(&[u8]) -> Result<Value>) -> Self {
        Self { read, ..self }
    }

    /// At what its sealed values stand: a column with an id, and a further part.
    pub(crate) fn sealed_where(&self) -> (&'static str, Option<&'static str>) {
        (self.row, self.part)
    }

    fn shows(&self, column: &str) -> bool {
        self.only.is_empty() || self.only.contains(&column)
    }
}

/// What a table holds about somebody, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The table.
    pub table: &'static str,
    /// Rows.
    pub rows: u64,
    /// Values by what they are; empty ones do not count, and what is about nobody neither.
    pub values: BTreeMap<Category, u64>,
}

/// What a table holds about somebody, opened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// The table.
    pub table: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// How long rows are kept.
    pub retention: &'static str,
    /// What its columns are, in order.
    pub columns: Vec<Column>,
    /// The rows: values by the names of [`Column`].
    pub rows: Vec<Map<String, Value>>,
    /// What of them the person provided.
    #[serde(skip)]
    pub provided: &'static [Provided],
}

/// What a column of a [`Holding`] is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Its name in the rows: that of the database, without `_sealed`.
    pub name: &'static str,
    /// What it holds.
    pub category: Category,
    /// Why.
    pub purpose: Purpose,
    /// How long it is kept.
    pub retention: &'static str,
    /// Whether it is kept sealed.
    pub is_sealed: bool,
    /// Why its values are not shown, where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<&'static str>,
}

/// Counts what these tables hold about a person.
///
/// # Errors
/// `NotFound`, `Unavailable`.
pub async fn inventory(
    scope: &Scope,
    store: &Store,
    tables: &'static [Table],
    subject: SubjectId,
) -> Result<Vec<Counted>> {
    let tx = store.read_for_rights(scope).await?;
    let about = About::of(&tx, subject).await?;
    let mut all = Vec::with_capacity(tables.len());
    for table in tables {
        all.push(count(&tx, table, &about).await?);
    }
    Ok(all)
}

/// Opens what these tables hold about a person; those with nothing are in it, without rows.
///
/// # Errors
/// `NotFound`; `SubjectErased`; `Corrupt`; `Unavailable`.
pub async fn export(
    scope: &Scope,
    store: &Store,
    tables: &'static [Table],
    subject: SubjectId,
) -> Result<Vec<Holding>> {
    let tx = store.read_for_rights(scope).await?;
    let about = About::of(&tx, subject).await?;
    let mut keys = Keys { tx: &tx, persons: HashMap::new() };
    let mut all = Vec::with_capacity(tables.len());
    for table in tables {
        all.push(open(&tx, table, &about, &mut keys).await?);
    }
    Ok(all)
}

/// Whom rows are looked up for.
struct About {
    subject: SubjectId,
    account: Option<AccountId>,
    whose: Whose,
}

impl About {
    async fn of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Self> {
        let row = subjects::find(tx, subject).await?.ok_or_else(|| Error::not_found("person"))?;
        let whose = if row.kind == subjects::MEMBER { Whose::Member } else { Whose::Visitor };
        let account = if whose == Whose::Member { identifiers::account_of(tx, subject).await? } else { None };
        Ok(Self { subject, account, whose })
    }

    /// Why a value is not this person's to see.
    fn withheld(&self, line: &ColumnLine) -> Option<&'static str> {
        match (line.category, self.whose, line.subject) {
            (Category::Secret, ..) => Some("It opens something, so it is never shown."),
            (_, Whose::Visitor, Whose::Member) => Some("It is about another person (GDPR art. 15(4))."),
            _ => None,
        }
    }
}

/// The columns of a statement that finds the person's rows, or nothing where the table cannot have any.
fn rows_of(table: &Table, about: &About, tx: &WorkspaceTx, select: &str) -> Option<Statement> {
    let from = format!("SELECT {select} FROM \"{}\"", table.name);
    let (sql, values) = match table.of {
        Of::Subject => (
            format!("{from} WHERE workspace_id = $1 AND subject_id = $2"),
            vec![tx.workspace().into(), about.subject.into()],
        ),
        Of::Account(column, Some(workspace)) => (
            format!("{from} WHERE \"{workspace}\" = $1 AND \"{column}\" = $2"),
            vec![tx.workspace().into(), about.account?.into()],
        ),
        Of::Account(column, None) => (format!("{from} WHERE \"{column}\" = $1"), vec![about.account?.into()]),
    };
    Some(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
}

async fn count(tx: &WorkspaceTx, table: &'static Table, about: &About) -> Result<Counted> {
    let line = register::table(table.name)?;
    let counted: Vec<&ColumnLine> =
        line.columns().filter(|column| column.category != Category::None && table.shows(&column.name)).collect();
    let mut select = "COUNT(*) AS all_rows".to_owned();
    for (number, column) in counted.iter().enumerate() {
        select.push_str(&format!(", COUNT(\"{}\") AS c{number}", column.name));
    }
    let mut found = Counted { table: table.name, rows: 0, values: BTreeMap::new() };
    let Some(statement) = rows_of(table, about, tx, &select) else { return Ok(found) };
    let row = tx.query_one_raw(statement).await?.ok_or_else(|| Error::internal("COUNT answers one row"))?;
    let number = |name: &str| -> Result<u64> { Ok(row.try_get::<i64>("", name)?.unsigned_abs()) };
    found.rows = number("all_rows")?;
    for (index, column) in counted.iter().enumerate() {
        let values = number(&format!("c{index}"))?;
        if values > 0 {
            *found.values.entry(column.category).or_default() += values;
        }
    }
    Ok(found)
}

async fn open(tx: &WorkspaceTx, table: &'static Table, about: &About, keys: &mut Keys<'_>) -> Result<Holding> {
    let line = register::table(table.name)?;
    let mut columns = Vec::new();
    for (name, kind) in columns_of(tx, line).await? {
        if table.shows(&name) {
            let line = line.column(&name)?;
            columns.push((shown(about, line), line, kind));
        }
    }
    let mut rows = Vec::new();
    if let Some(mut statement) = rows_of(table, about, tx, "*") {
        statement.sql.push_str(" ORDER BY 1, 2, 3");
        for row in tx.query_all_raw(statement).await? {
            let mut opened = Map::new();
            for (column, line, kind) in &columns {
                let value = match column.withheld {
                    Some(_) => Value::Null,
                    None => value(tx, table, line, *kind, &row, keys).await?,
                };
                opened.insert(column.name.to_owned(), value);
            }
            rows.push(opened);
        }
    }
    let columns = columns.into_iter().map(|(column, ..)| column).collect();
    let (source, retention, provided) = (table.source, line.retention.as_str(), table.provided);
    Ok(Holding { table: table.name, source, retention, columns, rows, provided })
}

fn shown(about: &About, line: &'static ColumnLine) -> Column {
    Column {
        name: line.name.strip_suffix("_sealed").unwrap_or(&line.name),
        category: line.category,
        purpose: line.purpose,
        retention: &line.retention,
        is_sealed: line.sealed.is_some(),
        withheld: about.withheld(line),
    }
}

async fn value(
    tx: &WorkspaceTx,
    table: &Table,
    line: &'static ColumnLine,
    kind: Kind,
    row: &QueryResult,
    keys: &mut Keys<'_>,
) -> Result<Value> {
    if let Some(seal) = line.sealed {
        let Some(sealed) = row.try_get::<Option<Vec<u8>>>("", &line.name)? else { return Ok(Value::Null) };
        // A withdrawn quotation is emptied.
        if sealed.is_empty() {
            return Ok(Value::Null);
        }
        let at: Uuid = row.try_get("", table.row)?;
        let place = match seal {
            Seal::Root => Place::instance(table.name, &line.name, at),
            _ => Place::new(tx.workspace(), table.name, &line.name, at),
        };
        let place = match table.part {
            Some(part) => place.part(row.try_get("", part)?),
            None => place,
        };
        let place = match table.part_by {
            Some((column, number)) => {
                let word: String = row.try_get("", column)?;
                let part = number(&word);
                place.part(part.ok_or_else(|| Error::new(ErrorKind::Corrupt, "A sealed value stands nowhere."))?)
            }
            None => place,
        };
        let opened = keys.of(seal, row).await?.open(&place, &sealed)?;
        return (table.read)(&opened);
    }
    let name = line.name.as_str();
    let value = match kind {
        Kind::Uuid => row.try_get::<Option<Uuid>>("", name)?.map(|id| public_id(table.name, name, id).into()),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>>("", name)?.map(|bytes| hex::encode(bytes).into()),
        Kind::Time => row.try_get::<Option<i64>>("", name)?.map(|at| Timestamp(at).rfc3339().into()),
        Kind::Integer => row.try_get::<Option<i64>>("", name)?.map(Value::from),
        Kind::Real => row.try_get::<Option<f64>>("", name)?.map(Value::from),
        Kind::Boolean => row.try_get::<Option<bool>>("", name)?.map(Value::from),
        Kind::Text => row.try_get::<Option<String>>("", name)?.map(structured),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// The keys for a run of rows, each person's read once. It lives for one call.
struct Keys<'a> {
    tx: &'a WorkspaceTx,
    persons: HashMap<SubjectId, Key>,
}

impl Keys<'_> {
    async fn of(&mut self, seal: Seal, row: &QueryResult) -> Result<Key> {
        let vault = self.tx.store().vault();
        let subject: SubjectId = match seal {
            Seal::Root => return Ok(vault.instance_key()),
            Seal::Workspace => return vault.workspace_key(self.tx.workspace()).await,
            Seal::Subject => row.try_get("", "subject_id")?,
        };
        if let Some(key) = self.persons.get(&subject) {
            return Ok(key.clone());
        }
        let key = vault.subject_key(self.tx.workspace(), subject).await?;
        self.persons.insert(subject, key.clone());
        Ok(key)
    }
}

/// What a column's values are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uuid,
    Bytes,
    Time,
    Integer,
    Real,
    Boolean,
    Text,
}

/// The columns of a table as the database has them, in its order.
async fn columns_of(tx: &WorkspaceTx, line: &TableLine) -> Result<Vec<(String, Kind)>> {
    let backend = tx.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
        }
        _ => "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
    };
    let statement = Statement::from_sql_and_values(backend, sql, [line.name.clone().into()]);
    let mut columns = Vec::new();
    for row in tx.query_all_raw(statement).await? {
        let (name, kind): (String, String) = (row.try_get("", "name")?, row.try_get("", "type")?);
        let kind = kind_of(&name, &kind, line.column(&name)?.sealed.is_some());
        columns.push((name, kind));
    }
    if columns.is_empty() {
        return Err(Error::internal(format!("the database has no table {}", line.name)));
    }
    Ok(columns)
}

/// SQLite has one type for ids and bytes, and one for numbers and truth: names tell them apart, as the house names them.
fn kind_of(name: &str, declared: &str, is_sealed: bool) -> Kind {
    let is_bytes = is_sealed || name.ends_with("_hash") || name.ends_with("_index");
    let is_truth = ["is_", "has_", "may_", "offers_"].iter().any(|start| name.starts_with(start));
    match declared.to_ascii_lowercase().as_str() {
        "uuid" => Kind::Uuid,
        "blob" if !is_bytes => Kind::Uuid,
        "bytea" | "blob" => Kind::Bytes,
        "boolean" => Kind::Boolean,
        "integer" if is_truth => Kind::Boolean,
        "integer" | "bigint" if name == "at" || name.ends_with("_at") => Kind::Time,
        "integer" | "bigint" => Kind::Integer,
        "real" | "double precision" => Kind::Real,
        _ => Kind::Text,
    }
}

/// An id as the API shows it, where the API does.
fn public_id(table: &str, column: &str, id: Uuid) -> String {
    let prefix = match (table, column) {
        (_, "workspace_id" | "member_workspace_id") => WorkspaceId::PREFIX,
        (_, "subject_id") => SubjectId::PREFIX,
        (_, "chat_id") | ("chats", "id") => ChatId::PREFIX,
        (_, "question_id" | "message_id") | ("messages", "id") => MessageId::PREFIX,
        (_, "answer_id") | ("answers", "id") => AnswerId::PREFIX,
        (_, "assistant_id") => AssistantId::PREFIX,
        (_, "escalation_id") | ("escalations", "id") => EscalationId::PREFIX,
        (_, "document_id") => DocumentId::PREFIX,
        (_, "passage_id") => PassageId::PREFIX,
        (_, "account_id" | "assigned_account_id") | ("accounts", "id") => AccountId::PREFIX,
        ("visitors", "id") => VisitorId::PREFIX,
        ("deliveries", "id") => DeliveryId::PREFIX,
        ("chat_notes", "id") => NoteId::PREFIX,
        ("sessions", "id") => SessionId::PREFIX,
        ("passkeys", "id") => PasskeyId::PREFIX,
        ("api_keys", "id") => ApiKeyId::PREFIX,
        ("subject_identifiers", "id") => IdentifierId::PREFIX,
        _ => return id.to_string(),
    };
    format!("{prefix}_{}", crate::id::encode(id))
}

/// What is kept as JSON is shown as JSON.
fn structured(text: String) -> Value {
    let parsed = if text.starts_with('{') { serde_json::from_str(&text).ok() } else { None };
    parsed.unwrap_or(Value::String(text))
}

/// Sealed text.
fn text(plain: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(plain)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "A sealed value that should be text is none."))?;
    Ok(structured(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_name_the_same_kinds() {
        for (name, sqlite, postgres, sealed, kind) in [
            ("id", "BLOB", "uuid", false, Kind::Uuid),
            ("text_sealed", "BLOB", "bytea", true, Kind::Bytes),
            ("value_index", "BLOB", "bytea", false, Kind::Bytes),
            ("created_at", "INTEGER", "bigint", false, Kind::Time),
            ("at", "INTEGER", "bigint", false, Kind::Time),
            ("attempts", "INTEGER", "bigint", false, Kind::Integer),
            ("is_off_hours", "INTEGER", "boolean", false, Kind::Boolean),
            ("score", "REAL", "double precision", false, Kind::Real),
            ("state", "TEXT", "text", false, Kind::Text),
        ] {
            assert_eq!(kind_of(name, sqlite, sealed), kind, "{name} on SQLite");
            assert_eq!(kind_of(name, postgres, sealed), kind, "{name} on Postgres");
        }
    }

    #[test]
    fn an_id_is_shown_as_the_api_shows_it() {
        let id = Uuid::nil();
        assert_eq!(public_id("messages", "id", id), MessageId(id).to_string());
        assert_eq!(public_id("chat_events", "target_id", id), id.to_string());
    }

    #[test]
    fn what_is_json_is_shown_as_json() {
        assert_eq!(structured("{\"a\": 1}".to_owned()), serde_json::json!({"a": 1}));
        assert_eq!(structured("{not json".to_owned()), Value::String("{not json".to_owned()));
    }
}
