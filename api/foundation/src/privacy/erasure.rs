//! Erasure of a person (GDPR art. 17): forward only, repeatable, visible step by step.
//!
//! The ledger entry is written first. Then, in one transaction, the subject is frozen and the erasure and its job are
//! written. The job asks every holder to erase and counts again; a second reader counts by another way; the subject's
//! key is shredded; deleted bytes are purged; the certificate is signed. A step that finds its store down stays PENDING
//! and is tried again with the job.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{Privacy, certificate, identifiers, ledger, merges, persons, second_reader, subjects};
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
};

const JOB: &str = "erase";
const SECOND_READER: &str = "second-reader";

/// Where an erasure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureState {
    /// Steps are left; they are being tried.
    Pending,
    /// Everything was erased and counted; the certificate is signed.
    Completed,
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
    /// The signed certificate, a compact JWS.
    pub certificate: Option<String>,
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

/// Freezes the subject and writes the erasure, its steps and its job, in one transaction.
async fn open(scope: &Scope, privacy: &Privacy, entry: &ledger::Entry, idempotency_key: &str) -> Result<()> {
    let tx = privacy.store.write(scope).await?;
    if !subjects::freeze(&tx, entry.subject).await? {
        return Ok(());
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
    tx.commit().await
}

impl Privacy {
    fn step_names(&self) -> Vec<&'static str> {
        let mut names = vec!["ledger"];
        names.extend(self.holders.iter().map(|h| h.name()));
        names.extend([SECOND_READER, "key", "purge", certificate::STEP]);
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
            SECOND_READER => {
                let remainder = second_reader::count(scope, &self.store, subject).await?;
                let found: Vec<String> =
                    remainder.left.iter().map(|(table, rows)| format!("{table}: {rows}")).collect();
                let detail =
                    if found.is_empty() { format!("{} tables counted", remainder.tables) } else { found.join(", ") };
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
        for (position, step) in erasure.steps.iter().enumerate() {
            if step.state == StepState::Done || step.name == certificate::STEP {
                continue;
            }
            let (erased, remaining, detail) = privacy.step(&job.scope, &erasure, &step.name).await?;
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            record(&job.scope, privacy, id, position, erased, remaining, detail).await?;
            if remaining > 0 {
                if step.name == SECOND_READER {
                    // What the holders overlooked, or what came late, is theirs to erase once more.
                    reopen(&job.scope, privacy, id).await?;
                }
                let message = format!("step {} of {id} left {remaining} items", step.name);
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
        }
        complete(&job.scope, privacy, id).await?;
        Ok(Outcome::Done)
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
        .col_expr(erasures::Column::State, Expr::value("COMPLETED"))
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

async fn load(scope: &Scope, privacy: &Privacy, id: ErasureId) -> Result<Option<Erasure>> {
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
        state: if row.state == "COMPLETED" { ErasureState::Completed } else { ErasureState::Pending },
        requested_at: row.requested_at,
        completed_at: row.completed_at,
        steps: steps.into_iter().map(ErasureStep::from).collect(),
        certificate: row.certificate_jws,
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
        "erasure-ledger-replay"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let privacy = &self.0;
        let scopes = context.scopes().await?;
        let completed = completed(privacy, &scopes).await?;
        let in_ledger = ledger::erasures(&privacy.blobs).await?;
        let open_ones = in_ledger.into_iter().filter(|id| !completed.contains(id));
        let entries = ledger::read(&privacy.blobs, open_ones).await?;
        for scope in scopes {
            for entry in entries.iter().filter(|e| e.workspace == scope.workspace()) {
                match load(&scope, privacy, entry.erasure).await? {
                    None => open(&scope, privacy, entry, &format!("ledger:{}", entry.erasure)).await?,
                    Some(erasure) if erasure.state == ErasureState::Pending => {
                        let tx = privacy.store.write(&scope).await?;
                        jobs::enqueue(&tx, NewJob::new(JOB, entry.erasure.0).priority(1)).await?;
                        tx.commit().await?;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Erasures of all workspaces that are through; their ledger entries need not be read again.
async fn completed(privacy: &Privacy, scopes: &[Scope]) -> Result<HashSet<ErasureId>> {
    let mut ids = HashSet::new();
    for scope in scopes {
        let tx = privacy.store.read(scope).await?;
        let of_workspace: Vec<ErasureId> = erasures::Entity::find()
            .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
            .filter(erasures::Column::State.eq("COMPLETED"))
            .select_only()
            .column(erasures::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        ids.extend(of_workspace);
    }
    Ok(ids)
}
