//! Objection (GDPR art. 21), purpose by purpose: it holds at once, and a restore of the database does not undo it.
//!
//! Each word is written first to a log in the file store ([`log`]), as an erasure is, and then to its row. What the log
//! knows and the row does not is put right by [`ObjectionReplay`].

pub mod log;

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use self::log::Entry;
use super::{
    Privacy,
    consents::Whose,
    purposes::{self, Purpose},
    subjects,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::SubjectId,
    jobs::{Duty, DutyContext},
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::objections as table},
    vault::Place,
};

/// What a person said about a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Who.
    pub subject: SubjectId,
    /// To what.
    pub purpose: Purpose,
    /// Whether it stands; else it was taken back.
    pub stands: bool,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who recorded it, by kind: `visitor` where the person did.
    pub recorded_by_kind: String,
    /// When.
    pub recorded_at: Timestamp,
}

/// Records that a person objects to a purpose, or takes the objection back. It holds from the next call on, answers under
/// way included.
///
/// # Errors
/// `Forbidden`; `Invalid` for missing evidence; `Conflict` for a purpose that is not objected to so; `SubjectErased`,
/// `NotFound`; `Unavailable` where the log cannot be written: nothing was recorded then.
pub async fn record(
    scope: &Scope,
    privacy: &Privacy,
    purpose: Purpose,
    stands: bool,
    whose: Whose<'_>,
) -> Result<Objection> {
    let (subject, reason) = whose.resolve(scope)?;
    refuse_other_ways(purpose)?;
    let store = &privacy.store;
    {
        let tx = store.read(scope).await?;
        subjects::require_active(&tx, subject).await?;
        match find(&tx, subject, purpose).await? {
            Some(row) if row.stands == stands => return open(&tx, row).await,
            None if !stands => return Err(Error::not_found("objection")),
            _ => {}
        }
    }
    let entry = Entry {
        workspace: scope.workspace(),
        subject,
        purpose: purpose.name().to_owned(),
        revision: log::next_revision(&privacy.blobs, scope.workspace(), subject, purpose).await?,
        stands,
        at: store.now(),
    };
    log::write(&privacy.blobs, &entry).await?;
    let tx = store.write(scope).await?;
    subjects::hold_active(&tx, subject).await?;
    let key = store.vault().subject_key(scope.workspace(), subject).await?;
    let place = reason_place(&tx, subject, purpose);
    put(scope, &tx, &entry, purpose, reason.map(|words| key.seal_text(&place, words))).await?;
    let recorded = find(&tx, subject, purpose).await?.ok_or_else(|| Error::not_found("objection"))?;
    let recorded = open(&tx, recorded).await?;
    let action = if stands { "objection.recorded" } else { "objection.taken_back" };
    let event = Event::new(action).target("subject", subject.0).subject(subject);
    audit::append(scope, &tx, event.detail("purpose", purpose.name())).await?;
    tx.commit().await?;
    Ok(recorded)
}

/// A person's objections, one for each purpose: one's own, or anybody's for those who may read about people's rights.
///
/// # Errors
/// `Forbidden`; `SubjectErased`, `NotFound`.
pub async fn of(scope: &Scope, store: &Store, subject: SubjectId) -> Result<Vec<Objection>> {
    match scope.subject() {
        Some(own) if own != subject => return Err(Error::not_found("person")),
        Some(_) => {}
        None => scope.require(Permission::PrivacyRead)?,
    }
    let tx = store.read(scope).await?;
    subjects::require_active(&tx, subject).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .order_by_asc(table::Column::Purpose)
        .all(tx.db())
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(open(&tx, row).await?);
    }
    Ok(all)
}

/// Whether an objection ends what is done for a purpose at once.
pub(super) fn ends_at_once(purpose: Purpose) -> bool {
    purpose.objection() == purposes::Objection::AtOnce
}

/// Those of these people whose objection stands.
///
/// # Errors
/// `Unavailable`.
pub async fn standing_of(
    tx: &WorkspaceTx,
    people: impl IntoIterator<Item = SubjectId>,
    purpose: Purpose,
) -> Result<HashSet<SubjectId>> {
    if !ends_at_once(purpose) {
        return Ok(HashSet::new());
    }
    let objecting = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.is_in(people))
        .filter(table::Column::Purpose.eq(purpose.name()))
        .filter(table::Column::Stands.eq(true))
        .select_only()
        .column(table::Column::SubjectId);
    Ok(objecting.into_tuple::<SubjectId>().all(tx.db()).await?.into_iter().collect())
}

fn refuse_other_ways(purpose: Purpose) -> Result<()> {
    let name = purpose.name();
    let message = match purpose.objection() {
        purposes::Objection::AtOnce => return Ok(()),
        purposes::Objection::ByRequest => {
            format!("Somebody has to weigh an objection to {name}: submit a privacy request of the kind OBJECTION.")
        }
        purposes::Objection::None if purpose.rests_on_consent() => {
            format!("{name} rests on consent: withdraw it instead.")
        }
        purposes::Objection::None => format!("{name} is needed by law or contract; there is no objection to it."),
    };
    Err(Error::new(ErrorKind::Conflict, message))
}

/// Writes the row, unless it knows a newer word already.
async fn put(scope: &Scope, tx: &WorkspaceTx, entry: &Entry, purpose: Purpose, reason: Option<Vec<u8>>) -> Result<()> {
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        subject_id: Set(entry.subject),
        purpose: Set(purpose.name().to_owned()),
        stands: Set(entry.stands),
        revision: Set(entry.revision),
        reason_sealed: Set(reason),
        recorded_by_kind: Set(scope.actor().kind().to_owned()),
        recorded_by: Set(scope.actor().id()),
        recorded_at: Set(entry.at),
    };
    let newer = OnConflict::columns([table::Column::WorkspaceId, table::Column::SubjectId, table::Column::Purpose])
        .update_columns([
            table::Column::Stands,
            table::Column::Revision,
            table::Column::ReasonSealed,
            table::Column::RecordedByKind,
            table::Column::RecordedBy,
            table::Column::RecordedAt,
        ])
        .action_and_where(Expr::col((table::Entity, table::Column::Revision)).lt(entry.revision))
        .to_owned();
    table::Entity::insert(row).on_conflict(newer).exec_without_returning(tx.db()).await?;
    Ok(())
}

async fn find(tx: &WorkspaceTx, subject: SubjectId, purpose: Purpose) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id((tx.workspace(), subject, purpose.name().to_owned())).one(tx.db()).await?)
}

async fn open(tx: &WorkspaceTx, row: table::Model) -> Result<Objection> {
    let purpose: Purpose = row.purpose.parse()?;
    let reason = match &row.reason_sealed {
        Some(sealed) => {
            let key = tx.store().vault().subject_key(tx.workspace(), row.subject_id).await?;
            Some(key.open_text(&reason_place(tx, row.subject_id, purpose), sealed)?)
        }
        None => None,
    };
    Ok(Objection {
        subject: row.subject_id,
        purpose,
        stands: row.stands,
        reason,
        recorded_by_kind: row.recorded_by_kind,
        recorded_at: row.recorded_at,
    })
}

fn reason_place(tx: &WorkspaceTx, subject: SubjectId, purpose: Purpose) -> Place {
    let place = Place::new(tx.workspace(), "objections", "reason_sealed", subject.0);
    place.part(part_of(purpose.name()).unwrap_or_default())
}

/// The part of the place at which a reason stands: a number for each purpose.
pub(super) fn part_of(purpose: &str) -> Option<i64> {
    i64::try_from(Purpose::ALL.iter().position(|known| known.name() == purpose)?).ok()
}

/// Puts right what the database does not know of the log: after a crash between the two, or after a restore of an older
/// database.
pub struct ObjectionReplay(pub Privacy);

#[async_trait]
impl Duty for ObjectionReplay {
    fn name(&self) -> &'static str {
        "objection-replay"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let privacy = &self.0;
        for scope in context.scopes().await? {
            for newest in log::newest(&privacy.blobs, scope.workspace()).await? {
                replay(&scope, privacy, newest).await?;
            }
        }
        Ok(())
    }
}

async fn replay(scope: &Scope, privacy: &Privacy, newest: log::Place) -> Result<()> {
    let Ok(purpose) = newest.purpose.parse::<Purpose>() else { return Ok(()) };
    {
        let tx = privacy.store.read(scope).await?;
        let known = find(&tx, newest.subject, purpose).await?;
        // Whoever is erased, or is not in this database, has nothing to be kept from.
        if known.is_some_and(|row| row.revision >= newest.revision)
            || subjects::require_active(&tx, newest.subject).await.is_err()
        {
            return Ok(());
        }
    }
    let entry = log::read(&privacy.blobs, &newest).await?;
    let tx = privacy.store.write(scope).await?;
    put(scope, &tx, &entry, purpose, None).await?;
    let event = Event::new("objection.replayed").target("subject", entry.subject.0).subject(entry.subject);
    audit::append(scope, &tx, event.detail("purpose", purpose.name()).detail("stands", entry.stands)).await?;
    tx.commit().await
}
