//! What a workspace instructs (GDPR art. 28(3)(a)), purpose by purpose, recorded with who said so, when and why.
//!
//! A purpose that the agreement instructs holds from the start. Each word of the workspace is a row that is never changed;
//! the newest one of a purpose holds. Its number is that of its audit entry, so the order is the audit log's.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::purposes::Purpose;
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::instructions as table},
};

/// What was said about a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Do it.
    Instructed,
    /// Do it no more.
    Revoked,
}

impl Word {
    fn name(self) -> &'static str {
        match self {
            Self::Instructed => "INSTRUCTED",
            Self::Revoked => "REVOKED",
        }
    }

    /// What cannot be read is the stricter of the two.
    fn of(name: &str) -> Self {
        if name == "INSTRUCTED" { Self::Instructed } else { Self::Revoked }
    }
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The number of its audit entry.
    pub seq: i64,
    /// About which purpose.
    pub purpose: Purpose,
    /// What was said.
    pub word: Word,
    /// Why, in the workspace's own words.
    pub reason: String,
    /// Who, by kind: `member` or `api_key`.
    pub recorded_by_kind: String,
    /// Who.
    pub recorded_by: Option<Uuid>,
    /// When.
    pub recorded_at: Timestamp,
}

/// How a purpose stands in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The purpose.
    pub purpose: Purpose,
    /// Whether anything may be done for it.
    pub is_instructed: bool,
    /// The newest instruction; none where what the agreement says holds.
    pub last: Option<Instruction>,
}

/// How each purpose stands.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn standings(scope: &Scope, store: &Store) -> Result<Vec<Standing>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let mut all = Vec::with_capacity(Purpose::ALL.len());
    for purpose in Purpose::ALL {
        all.push(standing(&tx, purpose).await?);
    }
    Ok(all)
}

/// Instructions, newest first, older than the one of the number `after`.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn list(scope: &Scope, store: &Store, after: Option<i64>, limit: u64) -> Result<Vec<Instruction>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let mut query = of_workspace(&tx).order_by_desc(table::Column::Seq).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Seq.lt(after));
    }
    query.all(tx.db()).await?.into_iter().map(read).collect()
}

/// How many there are.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn count(scope: &Scope, store: &Store) -> Result<u64> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    Ok(of_workspace(&tx).count(tx.db()).await?)
}

/// Records an instruction. It holds from the next call on, answers under way included. What holds already is not recorded
/// again.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid` for the reason; `Conflict` for a purpose that is nobody's to instruct.
pub async fn record(scope: &Scope, store: &Store, purpose: Purpose, word: Word, reason: &str) -> Result<Standing> {
    scope.require(Permission::PrivacyWrite)?;
    let reason = reason.trim();
    if !(3..=1_000).contains(&reason.chars().count()) {
        return Err(Error::invalid("reason", "Say why, in 3 to 1,000 characters."));
    }
    if !purpose.is_instructed() {
        let message = format!(
            "{} is part of all processing here, or asked for by law; it ends with the contract.",
            purpose.name()
        );
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let tx = store.write(scope).await?;
    let before = standing(&tx, purpose).await?;
    if before.is_instructed == (word == Word::Instructed) {
        return Ok(before);
    }
    let action = if word == Word::Instructed { "purpose.instructed" } else { "purpose.revoked" };
    let event = Event::new(action).detail("purpose", purpose.name()).detail("reason", reason);
    let seq = audit::append(scope, &tx, event).await?;
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        seq: Set(seq),
        purpose: Set(purpose.name().to_owned()),
        kind: Set(word.name().to_owned()),
        reason: Set(reason.to_owned()),
        recorded_by_kind: Set(scope.actor().kind().to_owned()),
        recorded_by: Set(scope.actor().id()),
        recorded_at: Set(store.now()),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let now = standing(&tx, purpose).await?;
    tx.commit().await?;
    Ok(now)
}

/// Whether anything may be done for a purpose in the workspace of this transaction.
///
/// # Errors
/// `Unavailable`.
pub async fn stands(tx: &WorkspaceTx, purpose: Purpose) -> Result<bool> {
    let word: Option<String> =
        newest(tx, purpose).select_only().column(table::Column::Kind).into_tuple().one(tx.db()).await?;
    Ok(allow(purpose, word.as_deref()))
}

/// Whether a purpose may be served after the last instruction about it, where there is one.
pub(super) fn allow(purpose: Purpose, last: Option<&str>) -> bool {
    !purpose.is_instructed()
        || last.map_or(purpose.is_instructed_from_the_start(), |word| Word::of(word) == Word::Instructed)
}

async fn standing(tx: &WorkspaceTx, purpose: Purpose) -> Result<Standing> {
    let last = newest(tx, purpose).one(tx.db()).await?.map(read).transpose()?;
    let is_instructed = match &last {
        Some(last) => last.word == Word::Instructed,
        None => !purpose.is_instructed() || purpose.is_instructed_from_the_start(),
    };
    Ok(Standing { purpose, is_instructed, last })
}

fn newest(tx: &WorkspaceTx, purpose: Purpose) -> sea_orm::Select<table::Entity> {
    of_workspace(tx).filter(table::Column::Purpose.eq(purpose.name())).order_by_desc(table::Column::Seq).limit(1)
}

fn of_workspace(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace()))
}

fn read(row: table::Model) -> Result<Instruction> {
    Ok(Instruction {
        seq: row.seq,
        purpose: row.purpose.parse()?,
        word: Word::of(&row.kind),
        reason: row.reason,
        recorded_by_kind: row.recorded_by_kind,
        recorded_by: row.recorded_by,
        recorded_at: row.recorded_at,
    })
}
