//! Deadlines: alarms before and at each, once, and the blanking of what closed requests do not need any more.
//!
//! An alarm is a row, an audit entry, a number for the operator and a mail to the controller's data protection officer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::{RequestState, advance, events, hold, save, table};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::Result,
    id::PrivacyRequestId,
    jobs::{Duty, DutyContext},
    privacy::{
        mails::{self, MailKind},
        subjects,
    },
    scope::Scope,
    store::{Store, entity::privacy_alarms as alarms_table},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// How long the address and the words of a closed request are kept, so that it can be answered once more.
const KEPT_AFTER_CLOSING: Duration = Duration::from_secs(30 * 86_400);

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// 24 hours after the receipt, the controller was not told yet.
    ForwardSoon,
    /// 48 hours after it, neither.
    ForwardMissed,
    /// A day before the agreement's business days are over.
    AgreementSoon,
    /// They are over.
    AgreementMissed,
    /// A week before the person has to have an answer.
    DueSoon,
    /// It is over.
    DueMissed,
}

impl Alarm {
    const ALL: [Self; 6] = [
        Self::ForwardSoon,
        Self::ForwardMissed,
        Self::AgreementSoon,
        Self::AgreementMissed,
        Self::DueSoon,
        Self::DueMissed,
    ];

    /// The word in the database, in the audit log and in the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForwardSoon => "FORWARD_SOON",
            Self::ForwardMissed => "FORWARD_MISSED",
            Self::AgreementSoon => "AGREEMENT_SOON",
            Self::AgreementMissed => "AGREEMENT_MISSED",
            Self::DueSoon => "DUE_SOON",
            Self::DueMissed => "DUE_MISSED",
        }
    }

    /// When it is raised for a request that is open; never once the controller was told, where it is about that.
    fn at(self, row: &table::Model) -> Option<Timestamp> {
        match self {
            Self::ForwardSoon | Self::ForwardMissed if row.forwarded_at.is_some() => None,
            Self::ForwardSoon => Some(row.received_at.plus(24 * HOUR)),
            Self::ForwardMissed => Some(row.forward_due_at),
            Self::AgreementSoon => Some(row.agreement_due_at.minus(DAY)),
            Self::AgreementMissed => Some(row.agreement_due_at),
            Self::DueSoon => Some(row.due_at.minus(7 * DAY)),
            Self::DueMissed => Some(row.due_at),
        }
    }
}

/// What is counted of alarms; numbers only.
pub trait AlarmMeter: Send + Sync {
    /// An alarm was raised.
    fn raised(&self, alarm: &'static str);
}

/// The duty.
pub struct PrivacyDeadlines(pub Arc<dyn AlarmMeter>);

#[async_trait]
impl Duty for PrivacyDeadlines {
    fn name(&self) -> &'static str {
        "privacy-deadlines"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        for scope in context.scopes().await? {
            for row in open(&scope, store).await? {
                for alarm in Alarm::ALL.into_iter().filter(|alarm| alarm.at(&row).is_some_and(|at| at <= store.now())) {
                    if raise(&scope, store, row.id, alarm).await? {
                        self.0.raised(alarm.name());
                    }
                }
            }
            for id in to_blank(&scope, store).await? {
                blank(&scope, store, id).await?;
            }
        }
        Ok(())
    }
}

async fn open(scope: &Scope, store: &Store) -> Result<Vec<table::Model>> {
    let tx = store.read(scope).await?;
    Ok(super::of_workspace(&tx).filter(table::Column::ClosedAt.is_null()).all(tx.db()).await?)
}

/// Raises an alarm, once. Says whether it did.
async fn raise(scope: &Scope, store: &Store, id: PrivacyRequestId, alarm: Alarm) -> Result<bool> {
    let tx = store.write(scope).await?;
    let row = alarms_table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        request_id: Set(id),
        kind: Set(alarm.name().to_owned()),
        raised_at: Set(store.now()),
    };
    let once = OnConflict::columns([
        alarms_table::Column::WorkspaceId,
        alarms_table::Column::RequestId,
        alarms_table::Column::Kind,
    ])
    .do_nothing()
    .to_owned();
    let raised = alarms_table::Entity::insert(row).on_conflict(once).exec_without_returning(tx.db()).await?;
    if raised == 0 {
        return Ok(false);
    }
    mails::put(&tx, Some(id), MailKind::Alarm).await?;
    events::append(&tx, id, events::Kind::Alarm).await?;
    let event = Event::new("privacy_request.alarm").target("privacy_request", id.0).detail("alarm", alarm.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(true)
}

async fn to_blank(scope: &Scope, store: &Store) -> Result<Vec<PrivacyRequestId>> {
    let tx = store.read(scope).await?;
    let rows = super::of_workspace(&tx)
        .filter(table::Column::ClosedAt.lte(store.now().minus(KEPT_AFTER_CLOSING)))
        .filter(table::Column::BlankedAt.is_null())
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Takes the person out of a closed request. What stays proves that it was answered in time.
async fn blank(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<()> {
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    let subject = row.subject_id;
    empty(&mut row, store.now());
    let is_made_for_it = match subject {
        Some(subject) => subjects::find(&tx, subject).await?.is_some_and(|s| s.kind == super::receive::SUBJECT_KIND),
        None => false,
    };
    save(&tx, row).await?;
    if let Some(subject) = subject.filter(|_| is_made_for_it) {
        subjects::freeze(&tx, subject).await?;
        subjects::bury(&tx, subject).await?;
    }
    events::append(&tx, id, events::Kind::Blanked).await?;
    audit::append(scope, &tx, Event::new("privacy_request.blanked").target("privacy_request", id.0)).await?;
    tx.commit().await?;
    match subject.filter(|_| is_made_for_it) {
        Some(subject) => store.vault().shred(scope.workspace(), subject).await,
        None => Ok(()),
    }
}

/// What a row holds of a person.
pub(in crate::privacy) fn empty(row: &mut table::Model, now: Timestamp) {
    row.subject_id = None;
    row.contact_index = None;
    row.contact_sealed = None;
    row.message_sealed = None;
    row.evidence_sealed = None;
    row.words_sealed = None;
    row.code_hash = None;
    row.blanked_at = Some(now);
}

/// The controller was told: the clock of 48 hours stops.
pub(in crate::privacy) async fn forwarded(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<()> {
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    if row.forwarded_at.is_some() || row.closed_at.is_some() {
        return Ok(());
    }
    row.forwarded_at = Some(store.now());
    if row.state.parse::<RequestState>()?.may_become(RequestState::Forwarded) {
        advance(&mut row, RequestState::Forwarded)?;
    }
    save(&tx, row).await?;
    events::append(&tx, id, events::Kind::Forwarded).await?;
    audit::append(scope, &tx, Event::new("privacy_request.forwarded").target("privacy_request", id.0)).await?;
    tx.commit().await
}
