//! The rows of a workspace, deleted by the database's own catalogue: a table that nobody thought of goes too.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as Bound};

use crate::{
    backups::catalogue::{self, Schema, Table},
    error::{Error, Result},
    id::{SubjectId, WorkspaceId},
    identity::closing::BEFORE_AN_ACCOUNT,
    store::{InstanceTx, WorkspaceTx},
};

/// The chain of the audit log: ids, times and hashes. It is kept as long as the law wants the access log, and the application's
/// role could not delete it.
pub(crate) const CHAIN: [&str; 4] = ["audit_anchors", "audit_checkpoints", "audit_entries", "audit_heads"];

/// What rows of somebody who is held rest on.
const UNDER_HELD: [&str; 1] = ["assistants"];

/// Tables of no workspace with rows of one, in the order in which they go: the table, and the column that names it.
const OF_INSTANCE: [(&str, &str); 4] = [
    ("channel_addresses", "address_workspace_id"),
    ("privacy_addresses", "address_workspace_id"),
    ("sign_on_domains", "domain_workspace_id"),
    ("workspaces", "id"),
];

/// The scoped tables, each before those that it refers to.
async fn scoped(tx: &InstanceTx) -> Result<Vec<Table>> {
    let mut tables = catalogue::tables(tx.db(), Schema::Data).await?;
    tables.retain(|table| table.is_scoped() && !CHAIN.contains(&table.name.as_str()));
    tables.reverse();
    Ok(tables)
}

/// Which rows of a table go, while these people are held: `$1` is the workspace.
fn going(table: &Table, held: &[SubjectId]) -> (String, Vec<Bound>) {
    let person = match table.name.as_str() {
        "subjects" => Some("id"),
        _ => table.columns.iter().any(|column| column.name == "subject_id").then_some("subject_id"),
    };
    let Some(person) = person.filter(|_| !held.is_empty()) else { return ("workspace_id = $1".to_owned(), Vec::new()) };
    let numbers: Vec<String> = (2..held.len() + 2).map(|number| format!("${number}")).collect();
    let which = format!("workspace_id = $1 AND ({person} IS NULL OR {person} NOT IN ({}))", numbers.join(", "));
    (which, held.iter().map(|person| (*person).into()).collect())
}

/// Deletes every row of the workspace but those of people who are held. Says how many.
pub(crate) async fn erase(tx: &WorkspaceTx, held: &[SubjectId]) -> Result<u64> {
    let mut gone = 0;
    for table in scoped(tx).await? {
        if !held.is_empty() && UNDER_HELD.contains(&table.name.as_str()) {
            continue;
        }
        let (which, more) = going(&table, held);
        let values: Vec<Bound> = std::iter::once(tx.workspace().into()).chain(more).collect();
        let sql = format!("DELETE FROM {} WHERE {which}", table.place);
        let deleted = tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
        gone += deleted.rows_affected();
    }
    Ok(gone)
}

/// How many rows of the workspace are left in its tables.
pub(crate) async fn count(tx: &WorkspaceTx) -> Result<u64> {
    let mut left = 0;
    for table in scoped(tx).await? {
        left += rows_of(tx, &table.name, "workspace_id", tx.workspace()).await?;
    }
    Ok(left)
}

/// How many rows a table has of a workspace.
pub(crate) async fn rows_of(tx: &InstanceTx, table: &str, column: &str, workspace: WorkspaceId) -> Result<u64> {
    let sql = format!("SELECT COUNT(*) AS found FROM {table} WHERE {column} = $1");
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [workspace.into()]);
    let row = tx.query_one_raw(statement).await?.ok_or_else(|| Error::internal("COUNT answers one row"))?;
    Ok(row.try_get::<i64>("", "found")?.unsigned_abs())
}

/// Closes the accounts that are nowhere else, takes the others out, and the workspace itself. Says how many rows went.
pub(crate) async fn erase_accounts(tx: &WorkspaceTx) -> Result<u64> {
    let mut gone = 0;
    let of_workspace = [
        "DELETE FROM jobs WHERE job_workspace_id = $1 AND kind <> 'terminate'",
        "DELETE FROM sessions WHERE member_workspace_id = $1",
    ];
    for sql in of_workspace {
        gone += run(tx, sql, tx.workspace().into()).await?;
    }
    let sql = "SELECT m.account_id AS id FROM memberships m WHERE m.member_workspace_id = $1 AND NOT EXISTS \
               (SELECT 1 FROM memberships o WHERE o.account_id = m.account_id AND o.member_workspace_id <> $1)";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [tx.workspace().into()]);
    let alone: Vec<uuid::Uuid> =
        tx.query_all_raw(statement).await?.iter().map(|row| Ok(row.try_get("", "id")?)).collect::<Result<_>>()?;
    gone += run(tx, "DELETE FROM memberships WHERE member_workspace_id = $1", tx.workspace().into()).await?;
    for account in alone {
        for sql in BEFORE_AN_ACCOUNT.into_iter().chain(["DELETE FROM accounts WHERE id = $1"]) {
            gone += run(tx, sql, account.into()).await?;
        }
    }
    for (table, column) in OF_INSTANCE {
        gone += run(tx, &format!("DELETE FROM {table} WHERE {column} = $1"), tx.workspace().into()).await?;
    }
    Ok(gone)
}

/// How many rows of no workspace's tables still name it.
pub(crate) async fn count_accounts(tx: &WorkspaceTx) -> Result<u64> {
    let mut left = rows_of(tx, "memberships", "member_workspace_id", tx.workspace()).await?
        + rows_of(tx, "sessions", "member_workspace_id", tx.workspace()).await?;
    for (table, column) in OF_INSTANCE {
        left += rows_of(tx, table, column, tx.workspace()).await?;
    }
    Ok(left)
}

/// Deletes the chain of a workspace that is not there any more: on Postgres by a function of the owner's, which refuses for any other.
pub(crate) async fn forget_chain(tx: &WorkspaceTx) -> Result<()> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT forget_audit_chain($1)";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [tx.workspace().into()]);
        tx.query_one_raw(statement).await?;
        return Ok(());
    }
    for table in CHAIN {
        run(tx, &format!("DELETE FROM {table} WHERE workspace_id = $1"), tx.workspace().into()).await?;
    }
    Ok(())
}

async fn run(tx: &InstanceTx, sql: &str, value: Bound) -> Result<u64> {
    let done = tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, [value])).await?;
    Ok(done.rows_affected())
}
