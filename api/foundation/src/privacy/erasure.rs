//! Erasure of a person (GDPR art. 17): forward only, repeatable, visible step by step.
//!
//! The ledger entry is written first. Then, in one transaction, the subject is frozen and the erasure and its job are
//! written. The job asks every holder to erase and counts again; a second reader counts by another way; the subject's
//! key is shredded; deleted bytes are purged; the certificate is signed. Where something is held ([`holds`]), the rest is
//! erased, the key stays, and the erasure is INCOMPLETE until the hold is over. A step that finds its store down stays PENDING
//! and is tried again with the job.

#[cfg(test)]
mod tests;

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{Privacy, certificate, holds, holds::Hold, identifiers, ledger, merges, persons, second_reader, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{ErasureId, SubjectId},
    identity::accounts,
    jobs::{self, ClaimedJob, Duty, DutyContext, JobHandler, NewJob, Outcome},
    scope::{Permission, Scope},
    store::{
        WorkspaceTx,
        entity::{erasure_steps, erasures},
    },
    workspaces,
};

const JOB: &str = "erase";
const REPLAY: &str = "erasure-ledger-replay";
const COMPLETED: &str = "COMPLETED";
const INCOMPLETE: &str = "INCOMPLETE";
const SECOND_READER: &str = "second-reader";
const BACKUPS: &str = "backups";

/// Where an erasure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureState {
    /// Steps are left; they are being tried.
    Pending,
    /// Something is held; the rest is erased. It goes on when the hold is over.
    Incomplete,
    /// Everything was erased and counted; the certificate is signed.
    Completed,
}

impl ErasureState {
    fn parse(name: &str) -> Self {
        match name {
            COMPLETED => Self::Completed,
            INCOMPLETE => Self::Incomplete,
            _ => Self::Pending,
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Not done yet.
    Pending,
    /// Done and counted.
    Done,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureStep {
    /// What it does: a holder's name, or `ledger`, `second-reader`, `key`, `purge`, `certificate`.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// Items it erased.
    pub erased: i64,
    /// Items it counted afterwards.
    pub remaining: Option<i64>,
    /// More, without personal data.
    pub detail: Option<String>,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The erasure.
    pub id: ErasureId,
    /// Of whom.
    pub subject: SubjectId,
    /// Where it stands.
    pub state: ErasureState,
    /// Asked for at.
    pub requested_at: Timestamp,
    /// Done at.
    pub completed_at: Option<Timestamp>,
    /// Its steps, in order.
    pub steps: Vec<ErasureStep>,
    /// The signed certificate, a compact JWS: of what is live, or, where something is held, of what is left.
    pub certificate: Option<String>,
    /// The signed certificate that no backup can hold the person any more.
    pub final_certificate: Option<String>,
    /// When that was.
    pub finalised_at: Option<Timestamp>,
}

/// Asks for the erasure of a person, and of all who are one with them. Asked again, with the same key or another, it answers
/// with the erasure that exists.
///
/// # Errors
/// `Forbidden` unless the scope may erase, or is the person; `NotFound`; `Conflict` for a member whose membership lasts;
/// `Unavailable` where the ledger cannot be written: nothing has begun then.
pub async fn request(scope: &Scope, privacy: &Privacy, subject: SubjectId, idempotency_key: &str) -> Result<Erasure> {
    let group = {
        let tx = privacy.store.read_for_rights(scope).await?;
        persons::allow(scope, &tx, subject, Permission::PrivacyErase).await?;
        refuse_members(&tx, subject).await?;
        merges::group(&tx, subject).await?
    };
    if scope.subject() != Some(subject) {
        scope.require_confirmed(privacy.store.now())?;
    }
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    for one in group.into_iter().filter(|one| *one != subject) {
        request_one(scope, privacy, one, idempotency_key).await?;
    }
    request_one(scope, privacy, subject, idempotency_key).await
}

/// Closing an account and erasing a person are two operations: the first ends a membership.
async fn refuse_members(tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
    let Some(account) = identifiers::account_of(tx, subject).await? else { return Ok(()) };
    if accounts::may(tx, account, Permission::WorkspaceRead).await? {
        return Err(Error::new(ErrorKind::Conflict, "This is a member. End the membership first."));
    }
    Ok(())
}

async fn request_one(scope: &Scope, privacy: &Privacy, subject: SubjectId, idempotency_key: &str) -> Result<Erasure> {
    if let Some(existing) = existing(scope, privacy, subject).await? {
        return Ok(existing);
    }
    let entry = ledger::Entry {
        erasure: ErasureId::new(privacy.store.clock()),
        workspace: scope.workspace(),
        subject,
        requested_at: privacy.store.now(),
    };
    ledger::write(&privacy.blobs, &entry).await?;
    open(scope, privacy, &entry, idempotency_key).await?;
    match load(scope, privacy, entry.erasure).await? {
        Some(erasure) => Ok(erasure),
        // Another request for the same person came first.
        None => existing(scope, privacy, subject).await?.ok_or_else(|| Error::not_found("erasure")),
    }
}

/// An erasure of this workspace.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn get(scope: &Scope, privacy: &Privacy, id: ErasureId) -> Result<Erasure> {
    let erasure = load(scope, privacy, id).await?.ok_or_else(|| Error::not_found("erasure"))?;
    if scope.subject() != Some(erasure.subject) {
        scope.require(Permission::PrivacyRead)?;
    }
    Ok(erasure)
}

async fn existing(scope: &Scope, privacy: &Privacy, subject: SubjectId) -> Result<Option<Erasure>> {
    let tx = privacy.store.read(scope).await?;
    if subjects::find(&tx, subject).await?.is_none() {
        return Err(Error::not_found("person"));
    }
    let row = erasures::Entity::find()
        .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
        .filter(erasures::Column::SubjectId.eq(subject))
        .one(tx.db())
        .await?;
    match row {
        None => Ok(None),
        Some(row) => Ok(Some(with_steps(&tx, row).await?)),
    }
}

/// Freezes the subject and writes the erasure, its steps and its job, in one transaction. Says whether there was anybody to
/// erase.
async fn open(scope: &Scope, privacy: &Privacy, entry: &ledger::Entry, idempotency_key: &str) -> Result<bool> {
    let tx = privacy.store.write(scope).await?;
    if !subjects::freeze(&tx, entry.subject).await? {
        return Ok(false);
    }
    let row = erasures::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(entry.erasure),
        subject_id: Set(entry.subject),
        idempotency_key: Set(idempotency_key.to_owned()),
        state: Set("PENDING".to_owned()),
        requested_at: Set(entry.requested_at),
        requested_by: Set(scope.actor().id()),
        completed_at: Set(None),
        certificate_jws: Set(None),
        final_certificate_jws: Set(None),
        finalised_at: Set(None),
    };
    erasures::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let names = privacy.step_names();
    let steps = names.into_iter().zip(0..).map(|(name, position)| erasure_steps::ActiveModel {
        workspace_id: Set(scope.workspace()),
        erasure_id: Set(entry.erasure),
        position: Set(position),
        name: Set(name.to_owned()),
        state: Set("PENDING".to_owned()),
        erased: Set(0),
        remaining: Set(None),
        detail: Set(None),
        finished_at: Set(None),
    });
    erasure_steps::Entity::insert_many(steps)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    audit::append(scope, &tx, Event::new("subject.erasure_requested").target("erasure", entry.erasure.0)).await?;
    jobs::enqueue(&tx, NewJob::new(JOB, entry.erasure.0).priority(1)).await?;
    tx.commit().await?;
    Ok(true)
}

impl Privacy {
    fn step_names(&self) -> Vec<&'static str> {
        let mut names = vec!["ledger"];
        names.extend(self.holders.iter().map(|h| h.name()));
        names.extend([SECOND_READER, "key"]);
        names.extend(self.backups.is_some().then_some(BACKUPS));
        names.extend(["purge", certificate::STEP]);
        names
    }

    /// Does a step and says what it erased, what it counted afterwards, and more.
    async fn step(&self, scope: &Scope, erasure: &Erasure, name: &str) -> Result<(u64, u64, Option<String>)> {
        let subject = erasure.subject;
        if let Some(holder) = self.holders.iter().find(|h| h.name() == name) {
            let erased = holder.erase(scope, subject).await?;
            let remaining = holder.count(scope, subject).await?;
            return Ok((erased, remaining, None));
        }
        match name {
            "ledger" => {
                let missing = u64::from(!ledger::stands(&self.blobs, erasure.id).await?);
                Ok((0, missing, None))
            }
            BACKUPS => {
                let Some(backups) = &self.backups else { return Ok((0, 0, None)) };
                backups.copy_ledger_entry(&entry_of(scope, erasure)).await?;
                backups.back_up_keys().await?;
                Ok((0, 0, Some("the backup of the key store was overwritten without the person's key".to_owned())))
            }
            SECOND_READER => {
                let remainder = second_reader::count(scope, &self.store, self.other_role.as_ref(), subject).await?;
                let found: Vec<String> =
                    remainder.left.iter().map(|(table, rows)| format!("{table}: {rows}")).collect();
                let detail = if found.is_empty() { remainder.to_string() } else { found.join(", ") };
                Ok((0, remainder.rows(), Some(detail)))
            }
            "key" => {
                self.store.vault().shred(scope.workspace(), subject).await?;
                let left = u64::from(!self.store.vault().is_shredded(scope.workspace(), subject).await?);
                Ok((1, left, Some("the person's key is destroyed".to_owned())))
            }
            "purge" => {
                self.store.purge_deleted_bytes().await?;
                Ok((0, 0, None))
            }
            other => Err(Error::internal(format!("there is no erasure step {other}"))),
        }
    }
}

fn entry_of(scope: &Scope, erasure: &Erasure) -> ledger::Entry {
    ledger::Entry {
        erasure: erasure.id,
        workspace: scope.workspace(),
        subject: erasure.subject,
        requested_at: erasure.requested_at,
    }
}

/// Runs the steps that are left.
pub struct EraseHandler(pub Privacy);

#[async_trait]
impl JobHandler for EraseHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    fn never_gives_up(&self) -> bool {
        true
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let privacy = &self.0;
        let id = ErasureId(job.target);
        let Some(erasure) = load(&job.scope, privacy, id).await? else { return Ok(Outcome::Done) };
        let held = {
            let tx = privacy.store.read(&job.scope).await?;
            holds::of(&tx, erasure.subject).await?
        };
        for (position, step) in erasure.steps.iter().enumerate() {
            if step.state == StepState::Done || step.name == certificate::STEP {
                continue;
            }
            // What is held is read under the person's key, so that stays; nothing is counted as gone that is not.
            if !held.is_empty() && !privacy.may_run_beside(&held, &step.name) {
                continue;
            }
            let (erased, remaining, detail) = privacy.step(&job.scope, &erasure, &step.name).await?;
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            record(&job.scope, privacy, id, position, erased, remaining, detail).await?;
            if remaining > 0 && !held.is_empty() {
                continue;
            }
            if remaining > 0 {
                if step.name == SECOND_READER {
                    // What the holders overlooked, or what came late, is theirs to erase once more.
                    reopen(&job.scope, privacy, id).await?;
                }
                let message = format!("step {} of {id} left {remaining} items", step.name);
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
        }
        if held.is_empty() {
            complete(&job.scope, privacy, id).await?;
        } else {
            privacy.store.purge_deleted_bytes().await?;
            leave(&job.scope, privacy, id, &held).await?;
        }
        Ok(Outcome::Done)
    }
}

impl Privacy {
    /// While something is held, the ledger is checked, and holders erase the rest; nothing of a person who is held whole.
    fn may_run_beside(&self, held: &[Hold], step: &str) -> bool {
        let is_holder = self.holders.iter().any(|holder| holder.name() == step);
        let is_whole = held.iter().any(|hold| hold.item == holds::Item::Person);
        step == "ledger" || (is_holder && !is_whole)
    }
}

/// Says what is left, and why.
async fn leave(scope: &Scope, privacy: &Privacy, id: ErasureId, held: &[Hold]) -> Result<()> {
    let erasure = load(scope, privacy, id).await?.ok_or_else(|| Error::not_found("erasure"))?;
    if erasure.state == ErasureState::Completed {
        return Ok(());
    }
    let now = privacy.store.now();
    let jws = certificate::sign_incomplete(&privacy.store, scope.workspace(), &erasure, held, now).await?;
    let tx = privacy.store.write(scope).await?;
    erasures::Entity::update_many()
        .col_expr(erasures::Column::State, Expr::value(INCOMPLETE))
        .col_expr(erasures::Column::CertificateJws, Expr::value(jws))
        .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
        .filter(erasures::Column::Id.eq(id))
        .filter(erasures::Column::State.ne(COMPLETED))
        .exec(tx.db())
        .await?;
    let event = Event::new("subject.erasure_held").target("erasure", id.0);
    audit::append(scope, &tx, event.detail("holds", held.len() as u64)).await?;
    tx.commit().await
}

/// Lets the erasure of a person go on, if one waits.
pub(super) async fn resume(tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
    let row = erasures::Entity::find()
        .filter(erasures::Column::WorkspaceId.eq(tx.workspace()))
        .filter(erasures::Column::SubjectId.eq(subject))
        .filter(erasures::Column::State.ne(COMPLETED))
        .one(tx.db())
        .await?;
    match row {
        Some(row) => jobs::enqueue(tx, NewJob::new(JOB, row.id.0).priority(1)).await,
        None => Ok(()),
    }
}

async fn record(
    scope: &Scope,
    privacy: &Privacy,
    erasure: ErasureId,
    position: i64,
    erased: u64,
    remaining: u64,
    detail: Option<String>,
) -> Result<()> {
    let state = if remaining == 0 { "DONE" } else { "PENDING" };
    let erased = i64::try_from(erased).unwrap_or(i64::MAX);
    let tx = privacy.store.write(scope).await?;
    erasure_steps::Entity::update_many()
        .col_expr(erasure_steps::Column::State, Expr::value(state))
        .col_expr(erasure_steps::Column::Erased, Expr::col(erasure_steps::Column::Erased).add(erased))
        .col_expr(erasure_steps::Column::Remaining, Expr::value(i64::try_from(remaining).unwrap_or(i64::MAX)))
        .col_expr(erasure_steps::Column::Detail, Expr::value(detail))
        .col_expr(erasure_steps::Column::FinishedAt, Expr::value(privacy.store.now()))
        .filter(erasure_steps::Column::WorkspaceId.eq(scope.workspace()))
        .filter(erasure_steps::Column::ErasureId.eq(erasure))
        .filter(erasure_steps::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    tx.commit().await
}

async fn reopen(scope: &Scope, privacy: &Privacy, erasure: ErasureId) -> Result<()> {
    let tx = privacy.store.write(scope).await?;
    erasure_steps::Entity::update_many()
        .col_expr(erasure_steps::Column::State, Expr::value("PENDING"))
        .filter(erasure_steps::Column::WorkspaceId.eq(scope.workspace()))
        .filter(erasure_steps::Column::ErasureId.eq(erasure))
        .exec(tx.db())
        .await?;
    tx.commit().await
}

async fn complete(scope: &Scope, privacy: &Privacy, id: ErasureId) -> Result<()> {
    let erasure = load(scope, privacy, id).await?.ok_or_else(|| Error::not_found("erasure"))?;
    if erasure.state == ErasureState::Completed {
        return Ok(());
    }
    let now = privacy.store.now();
    let jws = certificate::sign(&privacy.store, scope.workspace(), &erasure, now).await?;
    let last = i64::try_from(erasure.steps.len()).unwrap_or(i64::MAX) - 1;
    record(scope, privacy, id, last, 0, 0, None).await?;
    let tx = privacy.store.write(scope).await?;
    erasures::Entity::update_many()
        .col_expr(erasures::Column::State, Expr::value(COMPLETED))
        .col_expr(erasures::Column::CompletedAt, Expr::value(now))
        .col_expr(erasures::Column::CertificateJws, Expr::value(jws))
        .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
        .filter(erasures::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    subjects::bury(&tx, erasure.subject).await?;
    audit::append(scope, &tx, Event::new("subject.erased").target("erasure", id.0)).await?;
    tx.commit().await
}

pub(super) async fn load(scope: &Scope, privacy: &Privacy, id: ErasureId) -> Result<Option<Erasure>> {
    let tx = privacy.store.read(scope).await?;
    let row = erasures::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    match row {
        None => Ok(None),
        Some(row) => Ok(Some(with_steps(&tx, row).await?)),
    }
}

async fn with_steps(tx: &WorkspaceTx, row: erasures::Model) -> Result<Erasure> {
    let steps = erasure_steps::Entity::find()
        .filter(erasure_steps::Column::WorkspaceId.eq(tx.workspace()))
        .filter(erasure_steps::Column::ErasureId.eq(row.id))
        .order_by_asc(erasure_steps::Column::Position)
        .all(tx.db())
        .await?;
    Ok(Erasure {
        id: row.id,
        subject: row.subject_id,
        state: ErasureState::parse(&row.state),
        requested_at: row.requested_at,
        completed_at: row.completed_at,
        steps: steps.into_iter().map(ErasureStep::from).collect(),
        certificate: row.certificate_jws,
        final_certificate: row.final_certificate_jws,
        finalised_at: row.finalised_at,
    })
}

impl From<erasure_steps::Model> for ErasureStep {
    fn from(row: erasure_steps::Model) -> Self {
        Self {
            name: row.name,
            state: if row.state == "DONE" { StepState::Done } else { StepState::Pending },
            erased: row.erased,
            remaining: row.remaining,
            detail: row.detail,
        }
    }
}

/// Opens the erasures that the ledger knows and the database does not: after a crash between the two, or after a
/// restore of an older database. Puts lost jobs back.
pub struct LedgerReplay(pub Privacy);

#[async_trait]
impl Duty for LedgerReplay {
    fn name(&self) -> &'static str {
        REPLAY
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, _: &DutyContext) -> Result<()> {
        replay(&self.0).await.map(drop)
    }
}

/// What the duty does: also done by a restore, and before the gateway opens. Answers how many erasures it opened.
///
/// # Errors
/// `Unavailable`; `Corrupt` where an entry of the ledger cannot be read.
pub async fn replay(privacy: &Privacy) -> Result<u64> {
    let workspaces = workspaces::all_ids(&privacy.store).await?;
    let scopes: Vec<Scope> = workspaces.into_iter().map(|workspace| Scope::duty(workspace, REPLAY)).collect();
    let completed = completed(privacy, &scopes).await?;
    let in_ledger = ledger::erasures(&privacy.blobs).await?;
    let open_ones = in_ledger.into_iter().filter(|id| !completed.contains(id));
    let entries = ledger::read(&privacy.blobs, open_ones).await?;
    let mut opened = 0;
    for scope in scopes {
        for entry in entries.iter().filter(|e| e.workspace == scope.workspace()) {
            match load(&scope, privacy, entry.erasure).await? {
                None => {
                    let key = format!("ledger:{}", entry.erasure);
                    opened += u64::from(open(&scope, privacy, entry, &key).await?);
                }
                Some(erasure) if erasure.state != ErasureState::Completed => {
                    let tx = privacy.store.write(&scope).await?;
                    let is_held = !holds::of(&tx, erasure.subject).await?.is_empty();
                    if is_held && erasure.state == ErasureState::Incomplete {
                        continue;
                    }
                    jobs::enqueue(&tx, NewJob::new(JOB, entry.erasure.0).priority(1)).await?;
                    tx.commit().await?;
                }
                Some(_) => {}
            }
        }
    }
    Ok(opened)
}

/// Erasures of all workspaces that are through; their ledger entries need not be read again.
async fn completed(privacy: &Privacy, scopes: &[Scope]) -> Result<HashSet<ErasureId>> {
    let mut ids = HashSet::new();
    for scope in scopes {
        let tx = privacy.store.read(scope).await?;
        let of_workspace: Vec<ErasureId> = erasures::Entity::find()
            .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
            .filter(erasures::Column::State.eq(COMPLETED))
            .select_only()
            .column(erasures::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        ids.extend(of_workspace);
    }
    Ok(ids)
}
