//! Which tables and columns are in an archive, and how each is written there.
//!
//! A table of a workspace is in it, the one added tomorrow too, unless it is named here with the reason; so is a column, unless the
//! register calls it a secret or it is made from a key.

use serde::{Deserialize, Serialize};

use crate::{
    backups::catalogue::{ColumnKind, Table},
    error::{Error, Result},
    privacy::{
        Privacy,
        register::{self, Category, ColumnLine},
        second_reader,
        subjects::state::ACTIVE,
    },
};

/// Tables of no workspace, and which of their rows are one's: `$1` is the workspace.
const OF_INSTANCE: [(&str, &str); 4] = [
    ("workspaces", "id = $1"),
    ("accounts", "id IN (SELECT m.account_id FROM memberships m WHERE m.member_workspace_id = $1)"),
    ("memberships", "member_workspace_id = $1"),
    ("privacy_addresses", "address_workspace_id = $1"),
];

/// Tables that are not in it, and why.
const LEFT_OUT: [(&str, &str); 25] = [
    ("account_tickets", "They let somebody sign in or change an account, for some minutes or days."),
    ("alert_signals", "They are the installation's."),
    ("alerts", "They are the installation's. Those about a workspace are in its audit log."),
    ("backups", "They are the installation's."),
    ("channel_addresses", "Each is a secret. Another is made when a channel is used again."),
    ("data_exports", "Copies that were made for people, for 72 hours. Another can be made."),
    (
        "identity_providers",
        "It is this installation's registration at the provider. Wherever it goes is registered by itself.",
    ),
    ("ip_tag_keys", "They are the installation's keys."),
    ("jobs", "What is still to do is found again from the rows that it is about."),
    ("lexicon", "It is counted anew from the passages, under the keys of wherever they are."),
    ("logout_tokens", "They are the installation's, for some minutes."),
    ("passkeys", "They open accounts at this installation, and are bound to its domain."),
    (
        "privacy_letters",
        "Which mails became requests, by a hash under a key of this installation; how far each mailbox was read is in it.",
    ),
    ("recipient_changes", "They are the installation's."),
    ("recipient_notices", "What this installation announced. Wherever it goes announces its own."),
    ("recovery_codes", "They open accounts."),
    ("recurring_duties", "They are the installation's."),
    ("restore_drills", "They are the installation's."),
    ("second_factors", "They open accounts. They are set up again."),
    ("sessions", "They are sign-ins at this installation."),
    ("sign_on_domains", "They say what was shown to this installation. It is shown again."),
    ("signing_keys", "They are the installation's keys; the public halves are at /.well-known/jwks.json."),
    ("terminations", "It is about this installation. Its certificates are handed out."),
    ("tries", "How often was tried to sign in at this installation, for some minutes."),
    ("workspace_exports", "These archives."),
];

/// Tables that are in it to be read, and are not imported: the chain is of hashes over what is sealed here, so it ends here.
const RECORDS: [&str; 5] = ["audit_anchors", "audit_checkpoints", "audit_details", "audit_entries", "audit_heads"];

/// Columns that keys make from others.
const DERIVED: [(&str, &str); 10] = [
    ("accounts", "email_index"),
    ("documents", "content_hash"),
    ("invitations", "address_index"),
    ("passages", "content_hash"),
    ("passages", "terms_sealed"),
    ("privacy_requests", "contact_index"),
    ("source_pages", "content_hash"),
    ("subject_identifiers", "value_index"),
    ("uploads", "content_hash"),
    ("visitor_identities", "external_index"),
];

/// Columns that say something about this installation alone.
const LOCAL: [(&str, &str); 2] = [("memberships", "provider_subject_index"), ("workspaces", "closing_at")];

const IS_LOCAL: &str = "It is about this installation.";
const IS_SECRET: &str = "It opens something, so it never leaves.";
const IS_DERIVED: &str = "A key makes it from other columns; it is made anew under the keys of wherever they are.";

/// Sealed values that are bytes rather than text.
const SEALED_BYTES: [(&str, &str); 2] = [("passages", "vector_sealed"), ("passage_vectors", "vector_sealed")];

/// How the names of what is true or not begin.
const TRUTHS: [&str; 5] = ["is_", "has_", "may_", "offers_", "visitors_may_"];

/// Rows without a `subject_id` that go with a person's row: the column, and the table with that row.
const WITH_PERSONS: [(&str, &str, &str); 1] = [("privacy_alarms", "request_id", "privacy_requests")];

/// What becomes of a table's rows in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// They are read in.
    Data,
    /// They are for reading.
    Record,
}

/// What a value is, in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// A UUID (RFC 9562) in small letters.
    Id,
    /// Base64 without padding (RFC 4648).
    Bytes,
    /// A time in UTC (RFC 3339), to the millisecond.
    Time,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// The shortest text that reads back as the same number.
    Real,
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// How a table is written.
#[derive(Debug, Clone)]
pub(crate) struct TablePlan {
    pub table: Table,
    /// Its name, and those of its columns, as the register has them.
    pub name: &'static str,
    pub role: Role,
    pub columns: Vec<ColumnPlan>,
    pub left_out: Vec<(&'static str, &'static str)>,
    /// Which rows: `$1` is the workspace.
    pub rows: String,
    /// Where its sealed values stand: a column with an id, and a further part.
    pub sealed_at: (&'static str, Option<&'static str>),
}

/// How a column is written.
#[derive(Debug, Clone)]
pub(crate) struct ColumnPlan {
    /// Its place in the table.
    pub at: usize,
    /// Its name in the archive: that of the database, without `_sealed`.
    pub name: &'static str,
    pub line: &'static ColumnLine,
    pub kind: ValueKind,
}

impl TablePlan {
    /// The place of a column in the table.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.table.columns.iter().position(|known| known.name == column)
    }
}

/// How every table is written, in the order in which they can be filled; and those that are left out.
pub(crate) struct Plan {
    pub tables: Vec<TablePlan>,
    pub left_out: Vec<(&'static str, &'static str)>,
}

impl Plan {
    /// Of these tables.
    ///
    /// # Errors
    /// `Internal` where nothing says what becomes of a table or a column.
    pub fn of(tables: Vec<Table>, privacy: &Privacy) -> Result<Self> {
        let mut plan = Self { tables: Vec::new(), left_out: Vec::new() };
        for table in tables {
            match LEFT_OUT.iter().find(|(name, _)| *name == table.name) {
                Some(left_out) => plan.left_out.push(*left_out),
                None => plan.tables.push(table_plan(table, privacy)?),
            }
        }
        Ok(plan)
    }
}

fn table_plan(table: Table, privacy: &Privacy) -> Result<TablePlan> {
    let line = register::table(&table.name)?;
    let name = line.name.as_str();
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for (at, column) in table.columns.iter().enumerate() {
        let line = line.column(&column.name)?;
        let of_table = |(table, known): &(&str, &str)| *table == name && *known == line.name;
        if DERIVED.iter().any(of_table) {
            left_out.push((line.name.as_str(), IS_DERIVED));
        } else if LOCAL.iter().any(of_table) {
            left_out.push((line.name.as_str(), IS_LOCAL));
        } else if line.category == Category::Secret {
            left_out.push((line.name.as_str(), IS_SECRET));
        } else {
            let kind = kind_of(name, line, column.kind)?;
            let name = line.name.strip_suffix("_sealed").unwrap_or(&line.name);
            columns.push(ColumnPlan { at, name, line, kind });
        }
    }
    let role = if RECORDS.contains(&name) { Role::Record } else { Role::Data };
    let (rows, sealed_at) = (rows_of(&table, name)?, sealed_at(name, privacy));
    Ok(TablePlan { table, name, role, columns, left_out, rows, sealed_at })
}

/// Names tell what a value is, as the house names columns: SQLite has one type for ids and bytes, and one for numbers and truth.
fn kind_of(table: &str, line: &ColumnLine, stored: ColumnKind) -> Result<ValueKind> {
    let name = line.name.as_str();
    if line.sealed.is_some() {
        return Ok(match table {
            _ if SEALED_BYTES.contains(&(table, name)) => ValueKind::Bytes,
            "audit_details" => ValueKind::Json,
            _ => ValueKind::Text,
        });
    }
    let is_bytes = name == "hash" || ["_hash", "_index", "_fingerprint"].iter().any(|end| name.ends_with(end));
    let is_truth = name == "stands" || TRUTHS.iter().any(|head| name.starts_with(head));
    let is_time = name == "at" || name == "since" || name.ends_with("_at");
    match stored {
        ColumnKind::Text => Ok(ValueKind::Text),
        ColumnKind::Real => Ok(ValueKind::Real),
        ColumnKind::Integer | ColumnKind::Boolean if is_truth => Ok(ValueKind::Boolean),
        ColumnKind::Integer if is_time => Ok(ValueKind::Time),
        ColumnKind::Integer => Ok(ValueKind::Integer),
        ColumnKind::Bytes if is_bytes => Ok(ValueKind::Bytes),
        ColumnKind::Uuid | ColumnKind::Bytes if !is_bytes => Ok(ValueKind::Id),
        _ => Err(Error::internal(format!("{table}.{name} is not what its name says"))),
    }
}

/// Rows of the workspace, but for those about people who were erased or are being erased.
fn rows_of(table: &Table, name: &str) -> Result<String> {
    if !table.is_scoped() {
        let known = OF_INSTANCE.iter().find(|(known, _)| *known == name);
        let (_, rows) = known.ok_or_else(|| Error::internal(format!("nothing says whether {name} is exported")))?;
        return Ok((*rows).to_owned());
    }
    let own = "workspace_id = $1";
    let living = format!(
        "(subject_id IS NULL OR subject_id IN (SELECT s.id FROM subjects s WHERE s.workspace_id = $1 AND s.state = '{ACTIVE}'))"
    );
    if let Some((_, column, parent)) = WITH_PERSONS.iter().find(|(known, ..)| *known == name) {
        return Ok(format!(
            "{own} AND {column} IN (SELECT p.id FROM {parent} p WHERE p.workspace_id = $1 AND {living})"
        ));
    }
    let has_person = table.columns.iter().any(|column| column.name == "subject_id");
    let is_kept = second_reader::KEPT.contains(&name);
    Ok(if has_person && !is_kept { format!("{own} AND {living}") } else { own.to_owned() })
}

/// Holders know it of what they hold.
fn sealed_at(name: &str, privacy: &Privacy) -> (&'static str, Option<&'static str>) {
    match name {
        "passage_vectors" => ("passage_id", None),
        "objections" => ("subject_id", Some("purpose")),
        _ => privacy.held_tables().find(|table| table.name == name).map_or(("id", None), |table| table.sealed_where()),
    }
}
