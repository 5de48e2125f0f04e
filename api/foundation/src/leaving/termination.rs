//! The end of the contract: a clock that begins when an owner says so, and that nobody has to wind.
//!
//! | day | what |
//! |---|---|
//! | 0 | closed for visitors, read-only for members; RETURN: an archive until the end |
//! | 30 (DELETE: 7) | nothing live is left: files, vectors, rows, keys; a LIVE certificate. Until then it can be cancelled |
//! | 60 | the last backup that could hold anything is gone; a FINAL certificate |
//! | 90 | an alert, if anything is left |
//!
//! What the law keeps is sealed apart, named in the certificates with its class and its last day, and goes then.
//!
//! Reading order: this file (asking, cancelling, looking), [`ledger`] (outside what a restore can roll back), [`purge`] with [`rows`],
//! [`kept`] and [`certificate`], then [`duty`].

pub mod certificate;
pub mod duty;
pub mod kept;
pub mod ledger;
pub mod purge;
pub(crate) mod rows;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::exports::{self, require_owner};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{TerminationId, WorkspaceExportId, WorkspaceId},
    identity::secret::{SecretText, is_link_secret, link_secret},
    privacy::Privacy,
    scope::{Permission, Scope},
    store::{
        InstanceTx, Notice, Store, Topic, WorkspaceTx,
        entity::{terminations as table, workspace_exports, workspaces},
    },
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long an archive is there after RETURN, and so how long everything else is.
pub const RETURNED_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How long DELETE can be thought over.
pub const DELETED_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// When somebody is told that something is left.
pub const HARD_STOP: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How long it can be shown that it was done: as long as a claim can be made.
const SHOWN: &str = "P3Y";

/// What becomes of the data (GDPR art. 28(3)(g)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Choice {
    /// It is given back, and then deleted.
    Return,
    /// It is deleted.
    Delete,
}

impl Choice {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => "RETURN",
            Self::Delete => "DELETE",
        }
    }

    fn parse(name: &str) -> Self {
        if name == "DELETE" { Self::Delete } else { Self::Return }
    }

    fn lasts(self) -> Duration {
        match self {
            Self::Return => RETURNED_FOR,
            Self::Delete => DELETED_AFTER,
        }
    }
}

/// Where an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationState {
    /// Closed; everything is there, and it can be cancelled.
    Closing,
    /// Being deleted.
    Purging,
    /// A store refused, or something is held; the rest is deleted. It is tried again.
    Incomplete,
    /// Nothing live is left.
    Purged,
    /// Nothing is left in backups either.
    Final,
    /// It was taken back.
    Cancelled,
}

pub(crate) mod state {
    pub const CLOSING: &str = "CLOSING";
    pub const PURGING: &str = "PURGING";
    pub const INCOMPLETE: &str = "INCOMPLETE";
    pub const PURGED: &str = "PURGED";
    pub const FINAL: &str = "FINAL";
    pub const CANCELLED: &str = "CANCELLED";
}

impl TerminationState {
    fn parse(name: &str) -> Self {
        match name {
            state::PURGING => Self::Purging,
            state::INCOMPLETE => Self::Incomplete,
            state::PURGED => Self::Purged,
            state::FINAL => Self::Final,
            state::CANCELLED => Self::Cancelled,
            _ => Self::Closing,
        }
    }

    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closing => state::CLOSING,
            Self::Purging => state::PURGING,
            Self::Incomplete => state::INCOMPLETE,
            Self::Purged => state::PURGED,
            Self::Final => state::FINAL,
            Self::Cancelled => state::CANCELLED,
        }
    }
}

/// One step of a purge: a store that has to say that it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Which store: `files`, `rows`, a name of what holds vectors.
    pub name: String,
    /// Whether it said so.
    pub is_done: bool,
    /// What it deleted.
    pub erased: u64,
    /// What it counted afterwards; nothing while it cannot be asked.
    pub remaining: Option<u64>,
    /// Why it is not done, or more about it; no personal data.
    pub detail: Option<String>,
}

/// What is kept because a law says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// The class: a table of the register.
    pub class: String,
    /// Rows.
    pub rows: u64,
    /// Why.
    pub basis: String,
    /// Until when.
    pub until: Timestamp,
}

/// The end of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// The end.
    pub id: TerminationId,
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// What becomes of the data.
    pub choice: Choice,
    /// Where it stands.
    pub state: TerminationState,
    /// Asked for at.
    pub requested_at: Timestamp,
    /// Nothing live is left from.
    pub purge_at: Timestamp,
    /// Taken back at.
    pub cancelled_at: Option<Timestamp>,
    /// The archive that was promised.
    pub export: Option<WorkspaceExportId>,
    /// The steps of the purge, once it began.
    pub steps: Vec<Step>,
    /// What is kept because a law says so.
    pub kept: Vec<Kept>,
    /// Nothing live was left at.
    pub purged_at: Option<Timestamp>,
    /// The signed certificate of what is live, a compact JWS; while it is incomplete, of what is missing.
    pub certificate: Option<String>,
    /// Nothing was left in backups at.
    pub finalised_at: Option<Timestamp>,
    /// The signed certificate that nothing is left in backups either.
    pub final_certificate: Option<String>,
}

/// An end that was asked for.
pub struct Requested {
    /// The end.
    pub termination: Termination,
    /// What shows how it went on when nobody can sign in any more; told once.
    pub receipt: Option<SecretText>,
}

/// Ends the scope's workspace, which has to be named. Asked again, it answers with the end under way.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound` for another workspace; `Unavailable` where the ledger
/// cannot be written: nothing has begun then.
pub async fn request(scope: &Scope, privacy: &Privacy, workspace: WorkspaceId, choice: Choice) -> Result<Requested> {
    let store = privacy.store();
    {
        let tx = store.read(scope).await?;
        require_owner(scope, &tx).await?;
        if workspace != scope.workspace() {
            return Err(Error::not_found("workspace"));
        }
        scope.require_confirmed(store.now())?;
        if let Some(row) = under_way(&tx, workspace).await? {
            return Ok(Requested { termination: row.try_into()?, receipt: None });
        }
    }
    let now = store.now();
    let entry = ledger::Entry {
        termination: TerminationId::new(store.clock()),
        workspace,
        choice,
        requested_at: now,
        purge_at: now.plus(choice.lasts()),
    };
    let (secret, hash) = link_secret();
    ledger::write(privacy.blobs(), &entry).await?;
    let tx = store.write(scope).await?;
    if let Some(row) = under_way(&tx, workspace).await? {
        ledger::note(privacy.blobs(), &entry, ledger::Mark::Cancelled).await?;
        return Ok(Requested { termination: row.try_into()?, receipt: None });
    }
    let export = match choice {
        Choice::Return => {
            let key = format!("termination:{}", entry.termination);
            Some(exports::insert(scope, &tx, &key, Some(entry.purge_at)).await?.id)
        }
        Choice::Delete => None,
    };
    let row = begin(&tx, &entry, scope.actor().id(), export, Some(hash)).await?;
    let event = Event::new("workspace.termination_requested").target("termination", entry.termination.0);
    audit::append(scope, &tx, event.detail("choice", choice.name())).await?;
    tx.commit().await?;
    let whole = [entry.termination.0.as_bytes().as_slice(), &secret].concat();
    let receipt = SecretText::new(BASE64_URL_SAFE_NO_PAD.encode(whole));
    Ok(Requested { termination: row.try_into()?, receipt: Some(receipt) })
}

/// Writes the row, and closes the workspace.
pub(crate) async fn begin(
    tx: &WorkspaceTx,
    entry: &ledger::Entry,
    by: Option<Uuid>,
    export_id: Option<WorkspaceExportId>,
    receipt_hash: Option<Vec<u8>>,
) -> Result<table::Model> {
    let row = table::Model {
        id: entry.termination,
        ended_workspace_id: entry.workspace,
        choice: entry.choice.name().to_owned(),
        state: state::CLOSING.to_owned(),
        requested_at: entry.requested_at,
        requested_by: by,
        purge_at: entry.purge_at,
        cancelled_at: None,
        export_id,
        receipt_hash,
        reminders: 0,
        steps: "[]".to_owned(),
        kept: "[]".to_owned(),
        kept_sealed: None,
        purged_at: None,
        certificate_jws: None,
        finalised_at: None,
        final_certificate_jws: None,
        alerted_at: None,
    };
    table::Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(tx.db()).await?;
    close(tx, entry.workspace, Some(entry.requested_at)).await?;
    Ok(row)
}

async fn close(tx: &InstanceTx, workspace: WorkspaceId, at: Option<Timestamp>) -> Result<()> {
    workspaces::Entity::update_many()
        .col_expr(workspaces::Column::ClosingAt, Expr::value(at))
        .filter(workspaces::Column::Id.eq(workspace))
        .exec(tx.db())
        .await?;
    // Whoever came in a moment ago may do less now, or more again.
    tx.notify(Notice { topic: Topic::Session, id: workspace.0 });
    Ok(())
}

/// Takes the end back: everything works again. Nothing can be taken back once the purge began.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound` for another workspace, and where none is under way;
/// `Conflict` once the purge began.
pub async fn cancel(scope: &Scope, privacy: &Privacy, workspace: WorkspaceId) -> Result<Termination> {
    let store = privacy.store();
    let tx = store.write(scope).await?;
    require_owner(scope, &tx).await?;
    if workspace != scope.workspace() {
        return Err(Error::not_found("workspace"));
    }
    scope.require_confirmed(store.now())?;
    let row = under_way(&tx, workspace).await?.ok_or_else(|| Error::not_found("termination"))?;
    let now = store.now();
    let cancelled = table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(state::CANCELLED))
        .col_expr(table::Column::CancelledAt, Expr::value(now))
        .filter(table::Column::Id.eq(row.id))
        .filter(table::Column::State.eq(state::CLOSING))
        .exec(tx.db())
        .await?;
    if cancelled.rows_affected != 1 {
        return Err(Error::new(ErrorKind::Conflict, "It is being deleted already; nothing can be taken back."));
    }
    close(&tx, workspace, None).await?;
    if let Some(export) = row.export_id {
        exports::set(&tx, export, |q| {
            q.col_expr(workspace_exports::Column::KeptUntil, Expr::value(Option::<i64>::None))
                .col_expr(workspace_exports::Column::ExpiresAt, Expr::value(now.plus(exports::KEPT)))
        })
        .await?;
    }
    // Before the commit: a ledger that says less than the rows would end a workspace that goes on.
    ledger::note(privacy.blobs(), &entry_of(&row), ledger::Mark::Cancelled).await?;
    let event = Event::new("workspace.termination_cancelled").target("termination", row.id.0);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    let tx = store.read_instance().await?;
    find(&tx, row.id).await?.ok_or_else(|| Error::not_found("termination"))?.try_into()
}

/// The end of the scope's workspace: the one under way, or the one that was taken back last; none where it never was to end.
///
/// # Errors
/// `Forbidden` without [`Permission::PrivacyRead`].
pub async fn current(scope: &Scope, privacy: &Privacy) -> Result<Option<Termination>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = privacy.store().read_instance().await?;
    let row = table::Entity::find()
        .filter(table::Column::EndedWorkspaceId.eq(scope.workspace()))
        .order_by_desc(table::Column::Id)
        .one(tx.db())
        .await?;
    row.map(Termination::try_from).transpose()
}

/// The end that a receipt is of, for whoever has it.
///
/// # Errors
/// `NotFound` for whatever is no receipt.
pub async fn by_receipt(privacy: &Privacy, receipt: &str) -> Result<Termination> {
    let unknown = || Error::not_found("termination");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(receipt).map_err(|_| unknown())?;
    let (id, secret) = bytes.split_first_chunk::<16>().ok_or_else(unknown)?;
    let tx = privacy.store().read_instance().await?;
    let row = find(&tx, TerminationId(Uuid::from_bytes(*id))).await?.ok_or_else(unknown)?;
    if is_link_secret(secret, row.receipt_hash.as_ref()) { row.try_into() } else { Err(unknown()) }
}

/// All ends, newest first; for the operator's own commands.
///
/// # Errors
/// `Unavailable`.
pub async fn list(privacy: &Privacy) -> Result<Vec<Termination>> {
    let tx = privacy.store().read_instance().await?;
    let rows = table::Entity::find().order_by_desc(table::Column::Id).all(tx.db()).await?;
    rows.into_iter().map(Termination::try_from).collect()
}

/// What is kept of an ended workspace because a law says so, opened: for the operator, who shows it where a claim is made.
///
/// # Errors
/// `NotFound` where nothing is kept, or not any more; `Corrupt`.
pub async fn kept_of(privacy: &Privacy, id: TerminationId) -> Result<String> {
    let tx = privacy.store().read_instance().await?;
    let sealed = find(&tx, id).await?.and_then(|row| row.kept_sealed).ok_or_else(|| Error::not_found("kept data"))?;
    kept::open(privacy, id, &sealed)
}

pub(crate) async fn find(tx: &InstanceTx, id: TerminationId) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id(id).one(tx.db()).await?)
}

/// Workspaces whose rows are going.
pub(crate) async fn being_purged(store: &Store) -> Result<Vec<WorkspaceId>> {
    let tx = store.read_instance().await?;
    let rows = table::Entity::find()
        .filter(table::Column::State.is_in([state::PURGING, state::INCOMPLETE]))
        .filter(table::Column::CancelledAt.is_null())
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.ended_workspace_id).collect())
}

async fn under_way(tx: &InstanceTx, workspace: WorkspaceId) -> Result<Option<table::Model>> {
    let row = table::Entity::find()
        .filter(table::Column::EndedWorkspaceId.eq(workspace))
        .filter(table::Column::CancelledAt.is_null())
        .one(tx.db())
        .await?;
    Ok(row)
}

pub(crate) fn entry_of(row: &table::Model) -> ledger::Entry {
    ledger::Entry {
        termination: row.id,
        workspace: row.ended_workspace_id,
        choice: Choice::parse(&row.choice),
        requested_at: row.requested_at,
        purge_at: row.purge_at,
    }
}

fn read<T: for<'d> Deserialize<'d>>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| Error::internal("the steps of a termination cannot be read"))
}

impl TryFrom<table::Model> for Termination {
    type Error = Error;

    fn try_from(row: table::Model) -> Result<Self> {
        Ok(Self {
            id: row.id,
            workspace: row.ended_workspace_id,
            choice: Choice::parse(&row.choice),
            state: TerminationState::parse(&row.state),
            requested_at: row.requested_at,
            purge_at: row.purge_at,
            cancelled_at: row.cancelled_at,
            export: row.export_id,
            steps: read(&row.steps)?,
            kept: read(&row.kept)?,
            purged_at: row.purged_at,
            certificate: row.certificate_jws,
            finalised_at: row.finalised_at,
            final_certificate: row.final_certificate_jws,
        })
    }
}
