//! What an archive says of itself: `manifest.json`, its last file.

use serde::{Deserialize, Serialize};

use super::{
    csv,
    plan::{Plan, Role, TablePlan, ValueKind},
};
use crate::{
    clock::Timestamp,
    id::{SubjectId, WorkspaceExportId, WorkspaceId},
};

/// The way this program lays an archive out, and the only one that it reads.
pub const FORMAT: &str = "consigne-workspace-1";

/// Where the manifest is in the archive.
pub const PATH: &str = "manifest.json";

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// How it is laid out.
    pub format: String,
    /// The program that made it.
    pub product: String,
    /// Its version.
    pub version: String,
    /// The steps of the schema's history, oldest first.
    pub schema: Vec<String>,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The archive.
    pub export: WorkspaceExportId,
    /// The moment that it shows: what was committed by then is in it.
    pub as_of: String,
    /// When it was whole.
    pub made_at: String,
    /// Its tables, in the order in which they can be filled.
    pub tables: Vec<Table>,
    /// Tables that are not in it, and why.
    pub left_out: Vec<LeftOut>,
    /// Files of documents, as they were uploaded.
    pub files: Vec<File>,
    /// Files that a row names and the store of files does not have.
    pub missing_files: Vec<String>,
    /// People whose data may be stored and nothing else (GDPR art. 18): it is in the archive, and stays restricted.
    pub restricted_persons: Vec<SubjectId>,
    /// People who were erased: nothing of them is in the archive but that they were.
    pub erased_persons: u64,
    /// How cells of CSV files are to be read.
    pub csv: String,
}

/// A table of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What an import does with it.
    pub role: Role,
    /// Its rows.
    pub rows: u64,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Columns that are not in it, and why.
    pub left_out: Vec<LeftOut>,
    /// A JSON object a row.
    pub ndjson: File,
    /// The same for spreadsheets.
    pub csv: File,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: ValueKind,
}

/// What is not in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeftOut {
    /// A table or a column, as the database names it.
    pub name: String,
    /// Why.
    pub because: String,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Of an archive without tables and files yet.
    pub(crate) fn begin(
        (workspace, export): (WorkspaceId, WorkspaceExportId),
        schema: Vec<String>,
        as_of: Timestamp,
        plan: &Plan,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            product: "Consigne".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            workspace,
            export,
            as_of: as_of.rfc3339(),
            made_at: String::new(),
            tables: Vec::new(),
            left_out: plan.left_out.iter().map(LeftOut::from).collect(),
            files: Vec::new(),
            missing_files: Vec::new(),
            restricted_persons: Vec::new(),
            erased_persons: 0,
            csv: csv::RULE.to_owned(),
        }
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Every file of the archive but the manifest itself.
    pub fn all_files(&self) -> impl Iterator<Item = &File> {
        self.tables.iter().flat_map(|table| [&table.ndjson, &table.csv]).chain(&self.files)
    }
}

impl Table {
    pub(crate) fn of(plan: &TablePlan, rows: u64, ndjson: File, csv: File) -> Self {
        let columns = plan.columns.iter().map(|column| Column { name: column.name.to_owned(), kind: column.kind });
        Self {
            name: plan.name.to_owned(),
            role: plan.role,
            rows,
            columns: columns.collect(),
            left_out: plan.left_out.iter().map(LeftOut::from).collect(),
            ndjson,
            csv,
        }
    }
}

impl From<&(&str, &str)> for LeftOut {
    fn from((name, because): &(&str, &str)) -> Self {
        Self { name: (*name).to_owned(), because: (*because).to_owned() }
    }
}
