//! Who has rows whose time runs out.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, Statement, Value};

use super::register;
use crate::{
    backups::catalogue::{self, Schema, Table},
    backups::rows::value_of,
    clock::Timestamp,
    error::{Error, Result},
    id::{SubjectId, WorkspaceId},
    store::InstanceTx,
};

/// A row whose time may be over.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its primary key, as this database takes it.
    pub key: Vec<Value>,
    /// The person it is about, where the table says so.
    pub subject: Option<SubjectId>,
    /// From when its period is counted.
    pub began: Timestamp,
}

/// Rows of one class, and what hangs on them.
#[async_trait]
pub trait Expiring: Send + Sync {
    /// The table, whose line in the register has the period.
    fn table(&self) -> &'static str;

    /// Whether its rows belong to workspaces.
    fn is_of_workspace(&self) -> bool;

    /// Rows that began at `newest` or before, the oldest first, behind `after`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn candidates(
        &self,
        tx: &InstanceTx,
        workspace: Option<WorkspaceId>,
        newest: Timestamp,
        after: Option<&Candidate>,
        limit: u64,
    ) -> Result<Vec<Candidate>>;

    /// Deletes these and what hangs on them, and answers how many rows that were.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn delete(&self, tx: &InstanceTx, workspace: Option<WorkspaceId>, some: &[Candidate]) -> Result<u64>;
}

/// Rows of a table on which little hangs.
pub struct TableRows {
    table: &'static str,
    is_of_workspace: bool,
    /// What else has to be true, in SQL.
    only: &'static str,
    /// Statements that delete what hangs on rows, before those; `{rows}` is `(SELECT key ...)` of them.
    before: &'static [&'static str],
}

impl TableRows {
    /// Rows of a table that belong to workspaces.
    pub const fn of_workspaces(table: &'static str) -> Self {
        Self { table, is_of_workspace: true, only: "", before: &[] }
    }

    /// Rows of a table that belong to the installation.
    pub const fn of_installation(table: &'static str) -> Self {
        Self { table, is_of_workspace: false, only: "", before: &[] }
    }

    /// Those for which this is true too, in SQL, about `t`.
    pub const fn only(self, only: &'static str) -> Self {
        Self { only, ..self }
    }

    /// After these statements about a row, whose key is `$1` and so on.
    pub const fn after(self, before: &'static [&'static str]) -> Self {
        Self { before, ..self }
    }

    async fn shape(&self, tx: &InstanceTx) -> Result<Table> {
        let tables = catalogue::tables(tx.db(), Schema::Data).await?;
        tables
            .into_iter()
            .find(|table| table.name == self.table)
            .ok_or_else(|| Error::internal(format!("there is no table {} whose rows could be over", self.table)))
    }
}

#[async_trait]
impl Expiring for TableRows {
    fn table(&self) -> &'static str {
        self.table
    }

    fn is_of_workspace(&self) -> bool {
        self.is_of_workspace
    }

    async fn candidates(
        &self,
        tx: &InstanceTx,
        workspace: Option<WorkspaceId>,
        newest: Timestamp,
        after: Option<&Candidate>,
        limit: u64,
    ) -> Result<Vec<Candidate>> {
        let (table, from) = (self.shape(tx).await?, &register::line(self.table)?.from);
        let has_subject = table.columns.iter().any(|column| column.name == "subject_id");
        let keys: Vec<String> = table.key.iter().map(|column| format!("t.\"{}\"", column.name)).collect();
        let mut values: Vec<Value> = vec![newest.0.into()];
        let mut conditions = vec![format!("t.\"{from}\" <= $1")];
        if let Some(workspace) = workspace {
            values.push(workspace.into());
            conditions.push(format!("t.workspace_id = ${}", values.len()));
        }
        if let Some(after) = after {
            let first = values.len();
            values.push(after.began.0.into());
            values.extend(after.key.iter().cloned());
            let numbers: Vec<String> = (first + 1..=values.len()).map(|number| format!("${number}")).collect();
            conditions.push(format!("(t.\"{from}\", {}) > ({})", keys.join(", "), numbers.join(", ")));
        }
        if !self.only.is_empty() {
            conditions.push(format!("({})", self.only));
        }
        let subject = if has_subject { ", t.subject_id AS whose" } else { "" };
        let sql = format!(
            "SELECT {}{subject}, t.\"{from}\" AS began FROM {} AS t WHERE {} ORDER BY t.\"{from}\", {} LIMIT {limit}",
            keys.join(", "),
            table.place,
            conditions.join(" AND "),
            keys.join(", "),
        );
        let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.store().backend(), sql, values)).await?;
        rows.iter()
            .map(|row| {
                let key = table.key.iter().map(|column| value_of(column, row)).collect::<Result<_>>()?;
                let subject = if has_subject { row.try_get("", "whose")? } else { None };
                Ok(Candidate { key, subject, began: row.try_get("", "began")? })
            })
            .collect()
    }

    async fn delete(&self, tx: &InstanceTx, _: Option<WorkspaceId>, some: &[Candidate]) -> Result<u64> {
        let (table, backend) = (self.shape(tx).await?, tx.store().backend());
        let equal: Vec<String> =
            (1..).zip(&table.key).map(|(number, column)| format!("\"{}\" = ${number}", column.name)).collect();
        let own = format!("DELETE FROM {} WHERE {}", table.place, equal.join(" AND "));
        let mut deleted = 0;
        for candidate in some {
            for sql in self.before.iter().copied().chain([own.as_str()]) {
                let statement = Statement::from_sql_and_values(backend, sql, candidate.key.clone());
                deleted += tx.execute_raw(statement).await?.rows_affected();
            }
        }
        Ok(deleted)
    }
}
