//! At start: every version that a row refers to is there. A key store that is older than the data would be found out only when
//! somebody wants to read.
//!
//! Of tables that grow with the knowledge the oldest and the newest rows are looked at, unless all of them are to be.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, Statement, Value};

use super::reseal::{scope, tables_of};
use crate::{
    error::Result,
    id::WorkspaceId,
    store::Store,
    vault::{
        Key, opening,
        versions::{INSTALLATION, kind_of},
    },
    workspaces,
};

/// Tables that grow with the knowledge, and with what is done.
const LARGE: [&str; 3] = ["passages", "passage_vectors", "audit_details"];

/// Rows at each end of a large table.
const ENDS: u64 = 50;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Of large tables the ends.
    Start,
    /// Every row.
    Whole,
}

/// Refuses where a row was sealed under a version that the key store does not have.
///
/// # Errors
/// `Misconfigured`, with the version and the table; `Unavailable`.
pub async fn refuse_missing_versions(store: &Store, how: Thoroughness) -> Result<()> {
    for workspace in std::iter::once(INSTALLATION).chain(workspaces::all_ids(store).await?) {
        let there = store.vault().key_versions(workspace).await?;
        // A workspace that ended has no key, and rows at most until its purge is through.
        if there.is_empty() && store.vault().is_ended(workspace).await? {
            continue;
        }
        let there: BTreeSet<u32> = there.into_iter().map(|version| version.number).collect();
        let headers = referred_to(store, workspace, how).await?;
        let seals = Key::header_of(kind_of(workspace), 0);
        for (table, header) in headers {
            // Another kind of key sealed it: a person's.
            let Some(version) = header.strip_prefix(&seals[..2]) else { continue };
            let version = version.try_into().map_or(0, u32::from_be_bytes);
            if !there.contains(&version) {
                return Err(opening::missing(workspace, version, &format!("rows of {table}")));
            }
        }
    }
    Ok(())
}

/// What the values of a workspace, or of the installation, begin with, in one statement.
async fn referred_to(store: &Store, workspace: WorkspaceId, how: Thoroughness) -> Result<Vec<(String, Vec<u8>)>> {
    let is_installation = workspace == INSTALLATION;
    let own = if is_installation { "" } else { " AND workspace_id = $1" };
    let mut parts = Vec::new();
    for sealed in tables_of(workspace) {
        let (table, by) = (sealed.table, sealed.found_by());
        let ends = LARGE.contains(&table) && how == Thoroughness::Start;
        for column in sealed.columns {
            let of = |from: String| {
                format!(
                    "SELECT DISTINCT '{table}' AS of_table, substr({column}, 1, 6) AS header FROM {from} \
                     WHERE {column} IS NOT NULL AND length({column}) > 0{own}"
                )
            };
            if ends {
                let end = |order: &str| {
                    format!(
                        "(SELECT workspace_id, {column} FROM {table} WHERE workspace_id = $1 ORDER BY {by} {order} \
                         LIMIT {ENDS}) AS rows_of"
                    )
                };
                parts.extend([of(end("ASC")), of(end("DESC"))]);
            } else {
                parts.push(of(table.to_owned()));
            }
        }
    }
    let sql = parts.join(" UNION ");
    let values: Vec<Value> = if is_installation { Vec::new() } else { vec![workspace.into()] };
    let statement = Statement::from_sql_and_values(store.backend(), sql, values);
    let rows = if is_installation {
        store.read_instance().await?.query_all_raw(statement).await?
    } else {
        store.read_for_rights(&scope(workspace)).await?.query_all_raw(statement).await?
    };
    rows.iter().map(|row| Ok((row.try_get("", "of_table")?, row.try_get("", "header")?))).collect()
}
