//! How questions ended, counted of visitors who agreed to be counted, in groups of ten persons or more.
//!
//! Nothing is kept for it: each count is taken from the chats that are there, of persons whose consent stands at that
//! moment. A consent that is withdrawn, and a person who is erased, is missing from the next count.
//!
//! Invariants, as absences:
//! - No number leaves that fewer than [`K`] persons are behind.
//! - No id of a person, a chat or an answer leaves.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    privacy::{Purpose, admission, instructions},
    store::Store,
};
use sea_orm::{ConnectionTrait, Statement};

/// Persons behind a number, at the least.
pub const K: i64 = 10;

/// How questions of a period ended, in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `ANSWERED`, `NOT_IN_KNOWLEDGE` or `ESCALATED`.
    pub outcome: String,
    /// How many answers; none where fewer than [`K`] persons are behind it.
    pub answers: Option<i64>,
}

/// How the questions between two moments ended.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`; `PurposeRefused` unless the workspace instructed it; `Invalid` for a period that
/// ends before it begins.
pub async fn outcomes(scope: &Scope, store: &Store, from: Timestamp, to: Timestamp) -> Result<Vec<Group>> {
    scope.require(Permission::WorkspaceRead)?;
    if to <= from {
        return Err(Error::invalid("to", "The period ends before it begins."));
    }
    let tx = store.read(scope).await?;
    if !instructions::stands(&tx, Purpose::Analytics).await? {
        drop(tx);
        let why = admission::Why::NotInstructed;
        let refusal = admission::Refusal { purpose: Purpose::Analytics, subject: None, why };
        return Err(admission::write_down(scope, store, refusal).await?);
    }
    let sql = "SELECT a.outcome AS outcome, COUNT(*) AS answers, COUNT(DISTINCT a.subject_id) AS persons \
               FROM answers a JOIN consents c ON c.workspace_id = a.workspace_id AND c.subject_id = a.subject_id \
               WHERE a.workspace_id = $1 AND a.outcome IS NOT NULL AND a.created_at >= $2 AND a.created_at < $3 \
               AND c.purpose = $4 AND c.withdrawn_at IS NULL GROUP BY a.outcome ORDER BY a.outcome";
    let values = [scope.workspace().into(), from.into(), to.into(), Purpose::Analytics.name().into()];
    let rows = tx.db().query_all_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in rows {
        let (answers, persons): (i64, i64) = (row.try_get("", "answers")?, row.try_get("", "persons")?);
        groups.push(Group { outcome: row.try_get("", "outcome")?, answers: (persons >= K).then_some(answers) });
    }
    Ok(groups)
}
