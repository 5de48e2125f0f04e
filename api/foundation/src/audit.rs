//! The audit chain of a workspace: what was done, by whom, to what, in the order it was done.
//!
//! An entry is written in the transaction of the deed, so one does not exist without the other. Each entry carries the
//! SHA-256 hash of itself and of its predecessor ([`chain`]); its details stand apart, sealed under the key of the person
//! they are about, so that an erasure never breaks the chain (`details`); the newest position is kept as a high-water
//! mark and signed from time to time ([`checkpoint`](mod@checkpoint)); [`verify`](mod@verify) reads all of it again.
//!
//! Invariants, as absences:
//! - No entry is changed, and none is deleted but the oldest, once they were kept long enough (`anchor`); on Postgres the application role
//!   cannot.
//! - No details are kept longer than a workspace wants: they go before the entry, which says nothing without them.
//! - No personal data stands in the chain itself: ids, kinds and times only.
//! - No hash in the chain lets anybody guess details that were erased.
//!
//! # What stays undetectable
//! Somebody who may write to the database but has not the root key can cut the chain down to the newest checkpoint that
//! they leave in place, if they also put the high-water mark back and delete the later checkpoints; what they write after
//! that point is then taken for the truth. So the exposure is the time between two
//! checkpoints, and nothing at all where checkpoints are handed out of the instance: compare with
//! [`checkpoint::verify_against`]. The high-water mark is not kept in the key store too: it would have to be written in a
//! second file at each entry, and an honest restore of yesterday's data would look like a cut tail for ever.

mod anchor;
pub mod chain;
pub mod checkpoint;
mod details;
pub mod duty;
pub mod forward;
pub mod verify;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, sea_query::OnConflict,
};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use self::anchor::cut;
use self::details::Keys;
pub use self::{
    checkpoint::checkpoint,
    duty::CheckpointDuty,
    forward::AuditForward,
    verify::{Break, Verdict, verify},
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
    leaving::termination,
    scope::{Permission, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{audit_details, audit_entries, audit_heads},
    },
    workspaces,
};

/// The most entries of one page.
const PAGE: u64 = 500;

/// What was done.
#[derive(Debug, Clone)]
pub struct Event {
    /// `document.deleted`.
    pub action: &'static str,
    /// To what.
    pub target: Target,
    /// The person it is about, whose key then seals the details. None: the workspace's key.
    pub subject: Option<SubjectId>,
    /// More about it, sealed. A JSON object.
    pub details: Value,
}

/// To what it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `document`.
    pub kind: &'static str,
    /// Which one.
    pub id: Option<Uuid>,
}

impl Event {
    /// Something was done to the workspace as a whole.
    pub fn new(action: &'static str) -> Self {
        Self {
            action,
            target: Target { kind: "workspace", id: None },
            subject: None,
            details: Value::Object(Map::new()),
        }
    }

    /// It was done to this.
    pub fn target(self, kind: &'static str, id: Uuid) -> Self {
        Self { target: Target { kind, id: Some(id) }, ..self }
    }

    /// It is about this person: an erasure takes the details, and leaves the entry. What has to outlive the person, such
    /// as how many rows an erasure removed, belongs in an event without a subject.
    pub fn subject(self, subject: SubjectId) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// One more detail.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Some(details) = self.details.as_object_mut() {
            details.insert(name.to_owned(), value.into());
        }
        self
    }
}

/// Writes an entry in the transaction of the deed and answers its number. Call it last: from here to the commit every
/// other audited transaction of the workspace waits.
///
/// An event about a person who is erased already keeps its entry and loses its details.
///
/// # Errors
/// `NotFound` where the event's person never had a key; `Corrupt` where the high-water mark was put back; `Internal`
/// where the transaction is another workspace's; `Unavailable`.
pub async fn append(scope: &Scope, tx: &WorkspaceTx, event: Event) -> Result<i64> {
    let workspace = scope.workspace();
    if tx.workspace() != workspace {
        return Err(Error::internal("an audit entry was written in another workspace's transaction"));
    }
    lock(tx).await?;
    let head = audit_heads::Entity::find_by_id(workspace).one(tx.db()).await?;
    let (last, previous_hash) = head.map_or((0, chain::GENESIS.to_vec()), |head| (head.seq, head.hash));
    let seq = last + 1;
    let details = details::seal(tx.store().vault(), workspace, seq, event.subject, &event.details).await?;
    let mut entry = audit_entries::Model {
        workspace_id: workspace,
        seq,
        at: tx.store().now(),
        actor_kind: scope.actor().kind().to_owned(),
        actor_id: scope.actor().id(),
        action: event.action.to_owned(),
        target_kind: event.target.kind.to_owned(),
        target_id: event.target.id,
        details_hash: details.hash,
        previous_hash,
        hash: Vec::new(),
    };
    entry.hash = chain::hash(&entry).to_vec();
    raise_high_water_mark(tx, &entry).await?;
    insert_entry(tx, entry).await?;
    if let Some(details_sealed) = details.sealed {
        let row = audit_details::ActiveModel {
            workspace_id: Set(workspace),
            seq: Set(seq),
            subject_id: Set(event.subject),
            details_sealed: Set(details_sealed),
            at: Set(Some(tx.store().now())),
        };
        audit_details::Entity::insert(row).exec_without_returning(tx.db()).await?;
    }
    Ok(seq)
}

/// On Postgres the chain of a workspace is locked before its head is read, so that it cannot fork; locking the last row
/// instead would still let two first entries be written. On SQLite a writing transaction is alone.
async fn lock(tx: &WorkspaceTx) -> Result<()> {
    if tx.store().backend() != DbBackend::Postgres {
        return Ok(());
    }
    let (high, low) = tx.workspace().0.as_u64_pair();
    let number = i64::from_be_bytes((high ^ low.rotate_left(17) ^ 0x6175_6469_7400_0001).to_be_bytes());
    let sql = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_advisory_xact_lock($1)", [number.into()]);
    tx.db().execute_raw(sql).await?;
    Ok(())
}

async fn raise_high_water_mark(tx: &WorkspaceTx, entry: &audit_entries::Model) -> Result<()> {
    let head = audit_heads::ActiveModel {
        workspace_id: Set(entry.workspace_id),
        seq: Set(entry.seq),
        hash: Set(entry.hash.clone()),
        at: Set(entry.at),
    };
    let replace = OnConflict::column(audit_heads::Column::WorkspaceId)
        .update_columns([audit_heads::Column::Seq, audit_heads::Column::Hash, audit_heads::Column::At])
        .to_owned();
    audit_heads::Entity::insert(head).on_conflict(replace).exec_without_returning(tx.db()).await?;
    Ok(())
}

async fn insert_entry(tx: &WorkspaceTx, entry: audit_entries::Model) -> Result<()> {
    let seq = entry.seq;
    let row = audit_entries::ActiveModel::from(entry).reset_all();
    let written = audit_entries::Entity::insert(row).exec_without_returning(tx.db()).await;
    match written.map_err(Error::from) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Conflict => Err(Error::new(
            ErrorKind::Corrupt,
            format!("The audit chain has an entry {seq} beyond its high-water mark."),
        )),
        Err(error) => Err(error),
    }
}

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// `member`, `api_key`, `visitor` or `duty`.
    pub actor_kind: String,
    /// Who: the account, the API key or the visitor.
    pub actor_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub target_kind: String,
    /// To which one.
    pub target_id: Option<Uuid>,
    /// The person it was about, until an erasure.
    pub subject: Option<SubjectId>,
    /// More about it. None: erased.
    pub details: Option<Value>,
}

/// Entries, newest first, older than the entry `after`; at most 500 at once.
///
/// # Errors
/// `Forbidden` without [`Permission::AuditRead`]; `Corrupt` where details cannot be opened although their key is there.
pub async fn page(scope: &Scope, store: &Store, after: Option<i64>, limit: u64) -> Result<Vec<Entry>> {
    scope.require(Permission::AuditRead)?;
    let tx = store.read(scope).await?;
    let entries = audit_entries::Entity::find()
        .filter(audit_entries::Column::WorkspaceId.eq(scope.workspace()))
        .filter(audit_entries::Column::Seq.lt(after.unwrap_or(i64::MAX)))
        .order_by_desc(audit_entries::Column::Seq)
        .limit(limit.min(PAGE))
        .all(tx.db())
        .await?;
    shown(tx, entries).await
}

/// Entries, oldest first, from the one that follows `after`; at most 500 at once.
///
/// # Errors
/// As [`page`].
pub async fn since(scope: &Scope, store: &Store, after: i64) -> Result<Vec<Entry>> {
    scope.require(Permission::AuditRead)?;
    let tx = store.read(scope).await?;
    let entries = audit_entries::Entity::find()
        .filter(audit_entries::Column::WorkspaceId.eq(scope.workspace()))
        .filter(audit_entries::Column::Seq.gt(after))
        .order_by_asc(audit_entries::Column::Seq)
        .limit(PAGE)
        .all(tx.db())
        .await?;
    shown(tx, entries).await
}

/// Entries that follow each other, in either direction, with their details.
async fn shown(tx: WorkspaceTx, entries: Vec<audit_entries::Model>) -> Result<Vec<Entry>> {
    let numbers = || entries.iter().map(|entry| entry.seq);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Ok(Vec::new()) };
    let mut details = details_between(&tx, first, last).await?;
    let (store, workspace) = (tx.store().clone(), tx.workspace());
    drop(tx);
    let mut keys = Keys::new(store.vault(), workspace);
    let mut page = Vec::with_capacity(entries.len());
    for entry in entries {
        let row = details.remove(&entry.seq);
        let opened = match &row {
            Some(row) => keys.open(row).await?,
            None => None,
        };
        page.push(Entry {
            seq: entry.seq,
            at: entry.at,
            actor_kind: entry.actor_kind,
            actor_id: entry.actor_id,
            action: entry.action,
            target_kind: entry.target_kind,
            target_id: entry.target_id,
            subject: row.and_then(|row| row.subject_id),
            details: opened.map(|opened| opened.value()).transpose()?,
        });
    }
    Ok(page)
}

/// How many entries the scope's workspace has.
///
/// # Errors
/// `Forbidden` without [`Permission::AuditRead`].
pub async fn count(scope: &Scope, store: &Store) -> Result<u64> {
    scope.require(Permission::AuditRead)?;
    let tx = store.read(scope).await?;
    Ok(audit_entries::Entity::find()
        .filter(audit_entries::Column::WorkspaceId.eq(scope.workspace()))
        .count(tx.db())
        .await?)
}

/// The details of the entries from `first` to `last`, by number.
async fn details_between(tx: &WorkspaceTx, first: i64, last: i64) -> Result<HashMap<i64, audit_details::Model>> {
    let rows = audit_details::Entity::find()
        .filter(audit_details::Column::WorkspaceId.eq(tx.workspace()))
        .filter(audit_details::Column::Seq.between(first, last))
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.seq, row)).collect())
}

/// Details of an entry as they stand under their seal, read.
pub(crate) fn read_details(opened: &[u8]) -> Result<Value> {
    details::read(opened)
}

/// Every workspace, for a check of all chains.
///
/// # Errors
/// `Unavailable`.
pub async fn audited_workspaces(store: &Store) -> Result<Vec<WorkspaceId>> {
    let ending = termination::being_purged(store).await?;
    let mut all = workspaces::all_ids(store).await?;
    // Their details go before the rest does.
    all.retain(|workspace| !ending.contains(workspace));
    Ok(all)
}
