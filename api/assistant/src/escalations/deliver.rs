//! The telling: one delivery at a time for an escalation and a channel, at least once, under a key that never changes.
//!
//! An attempt is written down before it is made. Whoever finds one that was begun and not ended knows that it may have got
//! through, and says so to the channel. The job's lease is the delivery's. Where the workspace does not let texts go where the
//! channel is, it is handed none.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    id::{DeliveryId, EscalationId},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    plugins::{Registry, RouteFacts},
    privacy::{
        Purpose, admission,
        recipients::{self, Why},
        subjects,
    },
    store::{Store, WorkspaceTx},
};
use consigne_sdk::{Channel, Delivery, Notice, PluginError, PluginErrorKind, Receipt};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use tokio::time::timeout;

use super::{channels, deliveries, outbox};
use crate::{
    entity::{channel_threads, deliveries as table},
    policy::{self, Transfers},
};

/// Pauses between attempts, as Standard Webhooks has them; the first is made at once.
pub const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(14 * 3_600),
    Duration::from_secs(20 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// A channel that answers later than this has not answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// What a receipt may hold.
const LONGEST_NAME: usize = 500;

/// What is counted of deliveries; numbers only.
pub trait DeliveryMeter: Send + Sync {
    /// An attempt ended: `delivered`, `retried` or `dead`.
    fn attempted(&self, outcome: &'static str);
    /// An inbound event was `taken`, `repeated`, or of an `unknown` escalation.
    fn came_in(&self, outcome: &'static str);
}

/// Delivers.
pub struct DeliverHandler {
    /// The database.
    pub store: Store,
    /// Channels come from here.
    pub registry: Arc<Registry>,
    /// Counts.
    pub meter: Arc<dyn DeliveryMeter>,
}

#[async_trait]
impl JobHandler for DeliverHandler {
    fn kind(&self) -> &'static str {
        outbox::JOB
    }

    fn parallel(&self) -> usize {
        8
    }

    /// The row says when it is given up.
    fn never_gives_up(&self) -> bool {
        true
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = DeliveryId(job.target);
        let Some(route) = self.route(&job.scope, id).await? else { return Ok(Outcome::Done) };
        match self.begin(&job.scope, id, route.as_ref().ok()).await? {
            Turn::Over => Ok(Outcome::Done),
            Turn::Later(pause) => Ok(Outcome::Later(pause)),
            Turn::Now(attempt) => {
                let ended = send(&attempt, route).await;
                self.settle(&job.scope, &attempt, ended).await
            }
        }
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        Ok(())
    }
}

/// Whether a delivery is to be tried now.
enum Turn {
    Over,
    Later(Duration),
    Now(Box<Attempt>),
}

/// The channel, and who gets what it is handed, of the same settings.
type Route = (Arc<dyn Channel>, RouteFacts);

struct Attempt {
    delivery: Delivery,
    row: DeliveryId,
    /// Where the workspace lets texts go.
    transfers: Transfers,
}

/// How an attempt ended.
enum Ended {
    Delivered(Receipt),
    Failed { code: &'static str, what_next: Next, may_have_been_sent: bool },
}

/// What a failure leaves to do.
enum Next {
    /// Try again, not before this long.
    Again(Option<Duration>),
    /// A person has to act.
    GiveUp,
    /// The receiver wants nothing more.
    Gone,
}

impl DeliverHandler {
    /// Writes down that an attempt begins, where it is this delivery's turn.
    async fn begin(&self, scope: &Scope, id: DeliveryId, route: Option<&Route>) -> Result<Turn> {
        let tx = self.store.write(scope).await?;
        let Some(row) = hold(&tx, id).await?.filter(|row| row.state == outbox::state::PENDING) else {
            return Ok(Turn::Over);
        };
        let now = self.store.now();
        if row.next_attempt_at > now {
            return Ok(Turn::Later(Duration::from_millis((row.next_attempt_at.0 - now.0).unsigned_abs())));
        }
        if let Some(earlier) = earlier(&tx, &row).await? {
            // What ends the earlier one calls this one; unless it ended just now.
            let is_tried = earlier.attempt_began_at.is_some();
            return Ok(if is_tried { Turn::Later(Duration::from_secs(1)) } else { Turn::Over });
        }
        if let Some(refusal) = admission::refusal(&tx, Purpose::Escalation, row.subject_id).await? {
            deliveries::bury(scope, &tx, &row, "PURPOSE_REFUSED").await?;
            tx.commit().await?;
            admission::write_down(scope, &self.store, refusal).await?;
            self.meter.attempted("dead");
            return Ok(Turn::Over);
        }
        if channels::gone(&tx).await?.contains(&row.plugin_id) {
            deliveries::bury(scope, &tx, &row, "GONE").await?;
            tx.commit().await?;
            self.meter.attempted("dead");
            return Ok(Turn::Over);
        }
        // Stored, and not processed: it is sent once the restriction is lifted.
        if let Some(subject) = row.subject_id
            && let Err(error) = subjects::require_active(&tx, subject).await
        {
            let waits = matches!(error.kind(), ErrorKind::Restricted | ErrorKind::SubjectErased);
            return if waits { Ok(Turn::Over) } else { Err(error) };
        }
        let Some(delivery) = self.delivery(&tx, &row).await? else { return Ok(Turn::Over) };
        let transfers = policy::current(&tx).await?.transfers;
        if let (Some(subject), true, Some((_, facts))) = (row.subject_id, row.has_text, route)
            && transfers.allows(&facts.processing)
        {
            recipients::record(&tx, subject, &row.plugin_id, &facts.processing, Why::Escalation).await?;
        }
        let attempt = Attempt { delivery, row: id, transfers };
        let mut begun = row.into_active_model();
        begun.attempts = Set(i64::from(attempt.delivery.attempt));
        begun.may_have_been_sent = Set(attempt.delivery.may_have_been_sent);
        begun.attempt_began_at = Set(Some(now));
        begun.update(tx.db()).await?;
        tx.commit().await?;
        Ok(Turn::Now(Box::new(attempt)))
    }

    /// The way to the channel, or why it cannot be opened; nothing where the delivery is gone.
    async fn route(&self, scope: &Scope, id: DeliveryId) -> Result<Option<Result<Route>>> {
        let row = {
            let tx = self.store.read(scope).await?;
            table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?
        };
        let Some(row) = row else { return Ok(None) };
        Ok(Some(self.registry.channel_route(scope, &self.store, &row.plugin_id).await))
    }

    /// What the channel is handed; nothing once the person is being erased.
    async fn delivery(&self, tx: &WorkspaceTx, row: &table::Model) -> Result<Option<Delivery>> {
        let (notice, thread, reply_token) = match (row.escalation_id, row.subject_id) {
            (Some(escalation), Some(subject)) => {
                let key = match self.store.vault().subject_key(tx.workspace(), subject).await {
                    Err(error) if error.kind() == ErrorKind::SubjectErased => return Ok(None),
                    key => key?,
                };
                let notice = outbox::open(tx, &key, row)?.notice(escalation)?;
                let thread = thread(tx, escalation, &row.plugin_id).await?;
                (notice, thread, super::find(tx, escalation).await?.reply_token)
            }
            // Nobody can answer a test.
            _ => (Notice::Test, None, consigne_foundation::id::encode(row.id.0)),
        };
        Ok(Some(Delivery {
            key: row.id.to_string(),
            at: row.happened_at.0,
            now: self.store.now().0,
            attempt: u32::try_from(row.attempts + 1).unwrap_or(u32::MAX),
            may_have_been_sent: row.may_have_been_sent || row.attempt_began_at.is_some(),
            thread,
            reply_token,
            notice,
        }))
    }

    /// Writes down how the attempt ended, unless somebody else has the delivery now.
    async fn settle(&self, scope: &Scope, attempt: &Attempt, ended: Ended) -> Result<Outcome> {
        let tx = self.store.write(scope).await?;
        let is_mine = |row: &table::Model| {
            row.state == outbox::state::PENDING && row.attempts == i64::from(attempt.delivery.attempt)
        };
        let Some(row) = hold(&tx, attempt.row).await?.filter(is_mine) else { return Ok(Outcome::Done) };
        let now = self.store.now();
        let (outcome, counted) = match ended {
            Ended::Delivered(receipt) => {
                keep_thread(&tx, &row, receipt.thread).await?;
                let mut done = row.clone().into_active_model();
                done.state = Set(outbox::state::DELIVERED.to_owned());
                done.payload_sealed = Set(None);
                done.message = Set(receipt.message.filter(|name| name.len() <= LONGEST_NAME));
                done.attempt_began_at = Set(None);
                done.last_error = Set(None);
                done.finished_at = Set(Some(now));
                done.update(tx.db()).await?;
                call_next(&tx, &row).await?;
                (Outcome::Done, "delivered")
            }
            Ended::Failed { code, what_next, may_have_been_sent } => {
                let mut failed = row.clone().into_active_model();
                failed.may_have_been_sent = Set(row.may_have_been_sent || may_have_been_sent);
                failed.attempt_began_at = Set(None);
                failed.last_error = Set(Some(code.to_owned()));
                let pause = match &what_next {
                    Next::Again(asked) => pause(&row, *asked),
                    Next::GiveUp | Next::Gone => None,
                };
                if let Some(pause) = pause {
                    failed.next_attempt_at = Set(now.plus(pause));
                }
                let row = failed.update(tx.db()).await?;
                match (what_next, pause) {
                    (Next::Again(_), Some(pause)) => (Outcome::Later(pause), "retried"),
                    (Next::Gone, _) => {
                        channels::close(scope, &tx, &row.plugin_id).await?;
                        (Outcome::Done, "dead")
                    }
                    _ => {
                        deliveries::bury(scope, &tx, &row, code).await?;
                        (Outcome::Done, "dead")
                    }
                }
            }
        };
        tx.commit().await?;
        self.meter.attempted(counted);
        Ok(outcome)
    }
}

async fn send(attempt: &Attempt, route: Result<Route>) -> Ended {
    let (channel, facts) = match route {
        Ok(route) => route,
        Err(error) => return not_opened(&error),
    };
    let mut delivery = attempt.delivery.clone();
    if !attempt.transfers.allows(&facts.processing) {
        leave_texts_out(&mut delivery.notice);
    }
    match timeout(PATIENCE, channel.deliver(delivery)).await {
        Ok(Ok(receipt)) => Ended::Delivered(receipt),
        Ok(Err(error)) => refused(&error),
        Err(_) => Ended::Failed { code: "TIMED_OUT", what_next: Next::Again(None), may_have_been_sent: true },
    }
}

/// What people wrote stays here: the channel hears that something happened, and where to read it.
fn leave_texts_out(notice: &mut Notice) {
    match notice {
        Notice::Opened(opened) => opened.conversation.clear(),
        Notice::Said(line) | Notice::Rectified(line) => (line.text, line.name) = (None, None),
        Notice::Changed { by, .. } => *by = None,
        Notice::Test => {}
    }
}

/// Whether and when it is tried again: as the schedule has it and never sooner than the receiver asked, and a little
/// later for each delivery, so that many do not come back at once.
fn pause(row: &table::Model, asked: Option<Duration>) -> Option<Duration> {
    let tried = usize::try_from(row.attempts).unwrap_or(usize::MAX);
    let scheduled = *PAUSES.get(tried.checked_sub(1)?)?;
    let spread = u32::try_from((row.id.0.as_u128() ^ row.attempts.unsigned_abs() as u128) % 100).unwrap_or(0);
    let jittered = scheduled + scheduled * spread / 1_000;
    Some(asked.map_or(jittered, |asked| jittered.max(asked.min(LONGEST_WAIT))))
}

fn not_opened(error: &Error) -> Ended {
    let (code, what_next) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::Disabled => ("DISABLED", Next::GiveUp),
        ErrorKind::PurposeRefused => ("PURPOSE_REFUSED", Next::GiveUp),
        ErrorKind::Misconfigured | ErrorKind::Invalid => ("MISCONFIGURED", Next::GiveUp),
        _ => ("UNAVAILABLE", Next::Again(None)),
    };
    Ended::Failed { code, what_next, may_have_been_sent: false }
}

fn refused(error: &PluginError) -> Ended {
    let failed = |code, what_next, may_have_been_sent| Ended::Failed { code, what_next, may_have_been_sent };
    match error.kind {
        PluginErrorKind::RateLimited(after) => failed("RATE_LIMITED", Next::Again(after), false),
        // The connection may have broken behind the last byte.
        PluginErrorKind::Unavailable => failed("UNAVAILABLE", Next::Again(None), true),
        PluginErrorKind::InvalidResponse => failed("INVALID_RESPONSE", Next::Again(None), true),
        PluginErrorKind::Internal => failed("INTERNAL", Next::Again(None), true),
        PluginErrorKind::Gone => failed("GONE", Next::Gone, false),
        PluginErrorKind::Refused => failed("REFUSED", Next::GiveUp, false),
        PluginErrorKind::Misconfigured => failed("MISCONFIGURED", Next::GiveUp, false),
        PluginErrorKind::HostNotAllowed => failed("HOST_NOT_ALLOWED", Next::GiveUp, false),
    }
}

pub(super) async fn hold(tx: &WorkspaceTx, id: DeliveryId) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id((tx.workspace(), id)).lock_exclusive().one(tx.db()).await?)
}

/// The delivery before this one that is still to be made.
async fn earlier(tx: &WorkspaceTx, row: &table::Model) -> Result<Option<table::Model>> {
    let Some(escalation) = row.escalation_id else { return Ok(None) };
    Ok(outbox::of_channel(tx, escalation, &row.plugin_id)
        .filter(table::Column::State.eq(outbox::state::PENDING))
        .filter(table::Column::Position.lt(row.position))
        .order_by_asc(table::Column::Position)
        .one(tx.db())
        .await?)
}

/// The next delivery to the same place has its turn.
pub(super) async fn call_next(tx: &WorkspaceTx, row: &table::Model) -> Result<()> {
    let Some(escalation) = row.escalation_id else { return Ok(()) };
    let next = outbox::of_channel(tx, escalation, &row.plugin_id)
        .filter(table::Column::State.eq(outbox::state::PENDING))
        .filter(table::Column::Position.gt(row.position))
        .order_by_asc(table::Column::Position)
        .one(tx.db())
        .await?;
    match next {
        Some(next) => jobs::enqueue(tx, NewJob::new(outbox::JOB, next.id.0).priority(1)).await,
        None => Ok(()),
    }
}

async fn thread(tx: &WorkspaceTx, escalation: EscalationId, plugin: &str) -> Result<Option<String>> {
    let row = channel_threads::Entity::find_by_id((tx.workspace(), escalation, plugin.to_owned())).one(tx.db()).await?;
    Ok(row.map(|row| row.thread))
}

/// The first thread stays: replies may be under way to it.
async fn keep_thread(tx: &WorkspaceTx, row: &table::Model, thread: Option<String>) -> Result<()> {
    let (Some(escalation), Some(subject), Some(thread)) = (row.escalation_id, row.subject_id, thread) else {
        return Ok(());
    };
    if thread.len() > LONGEST_NAME {
        tracing::warn!(delivery = %row.id, "a channel answered with a thread that is too long to keep");
        return Ok(());
    }
    use channel_threads::Column::{EscalationId, PluginId, WorkspaceId};
    let kept = channel_threads::ActiveModel {
        workspace_id: Set(tx.workspace()),
        escalation_id: Set(escalation),
        plugin_id: Set(row.plugin_id.clone()),
        subject_id: Set(subject),
        thread: Set(thread),
    };
    let first = OnConflict::columns([WorkspaceId, EscalationId, PluginId]).do_nothing().to_owned();
    channel_threads::Entity::insert(kept).on_conflict(first).exec_without_returning(tx.db()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use consigne_foundation::{Timestamp, id::WorkspaceId};

    use super::*;

    fn tried(attempts: i64) -> table::Model {
        table::Model {
            workspace_id: WorkspaceId::parse_or_unknown(""),
            id: DeliveryId::parse_or_unknown(""),
            escalation_id: None,
            subject_id: None,
            plugin_id: String::new(),
            position: 0,
            kind: String::new(),
            state: String::new(),
            payload_sealed: None,
            attempts,
            attempt_began_at: None,
            may_have_been_sent: false,
            next_attempt_at: Timestamp(0),
            last_error: None,
            message: None,
            happened_at: Timestamp(0),
            finished_at: None,
            has_text: false,
        }
    }

    #[test]
    fn ten_attempts_are_made_over_three_days_and_no_more() {
        for (attempt, scheduled) in (1..).zip(PAUSES) {
            let pause = pause(&tried(attempt), None).expect("another attempt");
            assert!(pause >= scheduled && pause <= scheduled + scheduled / 10, "{attempt}: {pause:?}");
        }
        assert_eq!(pause(&tried(10), None), None);
        assert_eq!(pause(&tried(10), Some(Duration::from_secs(1))), None);
    }

    #[test]
    fn what_the_receiver_asked_for_is_kept() {
        let minute = Duration::from_secs(60);
        assert_eq!(pause(&tried(1), Some(minute)), Some(minute));
        assert!(pause(&tried(2), Some(minute)).expect("another attempt") >= PAUSES[1]);
        assert_eq!(pause(&tried(1), Some(Duration::MAX)), Some(LONGEST_WAIT));
    }
}
