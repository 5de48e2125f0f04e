//! Who really got data about a person (GDPR art. 15(1)(c), art. 19): written down before it leaves, in the transaction that
//! charges the call or begins the attempt. So somebody may stand here who got nothing because the wire broke, and nobody who
//! got something is missing. What stays inside the installation has no recipient.

use consigne_sdk::{Processing, ProcessorRole};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;

use super::identifiers;
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
    id::SubjectId,
    scope::{Actor, Scope},
    store::{WorkspaceTx, entity::subject_recipients as table},
};

/// Why somebody got data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// To answer a question.
    Answering,
    /// To correct a text.
    Correction,
    /// To hand a chat over to people.
    Escalation,
}

/// Somebody who got data about a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GotData {
    /// The plugin through which it went.
    pub plugin: String,
    /// Why: `ANSWERING`, `CORRECTION` or `ESCALATION`.
    pub purpose: String,
    /// Who operates the other side.
    pub operator: String,
    /// Where: `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard.
    pub safeguard: String,
    /// What they keep.
    pub retention: String,
    /// For the first time, in milliseconds since 1970 (UTC).
    pub first_at: Timestamp,
    /// For the last time.
    pub last_at: Timestamp,
    /// How often.
    pub times: i64,
}

/// Writes down that somebody is about to get data about a person.
///
/// # Errors
/// `Restricted`, `Unavailable`: it must not be sent then.
pub async fn record(
    tx: &WorkspaceTx,
    subject: SubjectId,
    plugin: &str,
    processing: &Processing,
    why: Why,
) -> Result<()> {
    if processing.role == ProcessorRole::Internal {
        return Ok(());
    }
    let now = tx.store().now();
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        subject_id: Set(subject),
        plugin_id: Set(plugin.to_owned()),
        purpose: Set(why.name().to_owned()),
        operator: Set(processing.operator.clone()),
        region: Set(processing.region.code()),
        safeguard: Set(processing.safeguard.code().to_owned()),
        retention: Set(processing.retention.code()),
        first_at: Set(now),
        last_at: Set(now),
        times: Set(1),
    };
    use table::Column::{
        LastAt, Operator, PluginId, Purpose, Region, Retention, Safeguard, SubjectId, Times, WorkspaceId,
    };
    let again = OnConflict::columns([WorkspaceId, SubjectId, PluginId, Purpose])
        .update_columns([Operator, Region, Safeguard, Retention, LastAt])
        .value(Times, Expr::col((table::Entity, Times)).add(1))
        .to_owned();
    table::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// As [`record`], about whoever acts: a visitor, or a member. A program and a duty are nobody.
///
/// # Errors
/// As [`record`].
pub async fn record_own(
    scope: &Scope,
    tx: &WorkspaceTx,
    plugin: &str,
    processing: &Processing,
    why: Why,
) -> Result<()> {
    if processing.role == ProcessorRole::Internal {
        return Ok(());
    }
    let subject = match scope.actor() {
        Actor::Visitor { subject, .. } | Actor::Person { subject, .. } => subject,
        Actor::Member { account, .. } => match identifiers::member(tx, account).await {
            // Erased as a person, and still a member: nothing is written about them.
            Err(error) if error.kind() == ErrorKind::SubjectErased => return Ok(()),
            subject => subject?,
        },
        Actor::ApiKey(_) | Actor::Duty(_) => return Ok(()),
    };
    record(tx, subject, plugin, processing, why).await
}

/// Who got data about these persons, the first one first.
pub(crate) async fn of(tx: &WorkspaceTx, subjects: &[SubjectId]) -> Result<Vec<GotData>> {
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.is_in(subjects.iter().copied()))
        .order_by_asc(table::Column::FirstAt)
        .order_by_asc(table::Column::PluginId)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(GotData::from).collect())
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Self::Answering => "ANSWERING",
            Self::Correction => "CORRECTION",
            Self::Escalation => "ESCALATION",
        }
    }
}

impl From<table::Model> for GotData {
    fn from(row: table::Model) -> Self {
        Self {
            plugin: row.plugin_id,
            purpose: row.purpose,
            operator: row.operator,
            region: row.region,
            safeguard: row.safeguard,
            retention: row.retention,
            first_at: row.first_at,
            last_at: row.last_at,
            times: row.times,
        }
    }
}
