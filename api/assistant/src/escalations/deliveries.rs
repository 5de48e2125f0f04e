//! The delivery log: what was told to whom, what was given up, and trying that again.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    error::ErrorKind,
    id::{DeliveryId, EscalationId},
    jobs::{self, NewJob},
    plugins::Registry,
    store::{Store, WorkspaceTx},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};

use super::{channels, deliver, inbox, open, outbox};
use crate::entity::deliveries as table;

/// Why a delivery is dead though nobody tried it.
const AFTER_A_DEAD_ONE: &str = "EARLIER_DEAD";

/// What a delivery tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// A visitor needs a person.
    Opened,
    /// Something was said.
    Said,
    /// Something that was told before is put right.
    Rectified,
    /// The state of an escalation changed.
    Changed,
    /// Somebody checks whether the channel works.
    Test,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried, or being tried.
    Pending,
    /// Done. The text is gone.
    Delivered,
    /// Given up.
    Dead,
    /// It was delivered, and came back.
    Bounced,
}

/// A delivery, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEntry {
    /// The delivery; its key on the other side too.
    pub id: DeliveryId,
    /// The escalation; a test has none.
    pub escalation: Option<EscalationId>,
    /// The channel.
    pub plugin: String,
    /// What it tells.
    pub kind: DeliveryKind,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that were begun.
    pub attempts: i64,
    /// Whether an attempt may have got through without this side knowing.
    pub may_have_been_sent: bool,
    /// Why the last attempt failed: a code.
    pub last_error: Option<String>,
    /// The next attempt, while it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// What it tells of happened at.
    pub happened_at: Timestamp,
    /// Delivered or given up at.
    pub finished_at: Option<Timestamp>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Of this escalation.
    pub escalation: Option<EscalationId>,
    /// To this channel.
    pub plugin: Option<String>,
}

/// Deliveries, newest first, behind `after`, at most `limit`.
///
/// # Errors
/// `Forbidden` without `PLUGINS_READ`.
pub async fn list(
    scope: &Scope,
    store: &Store,
    wanted: &Wanted,
    after: Option<DeliveryId>,
    limit: u64,
) -> Result<Vec<DeliveryEntry>> {
    let mut query = of(scope, wanted)?.order_by_desc(table::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let tx = store.read(scope).await?;
    Ok(query.all(tx.db()).await?.into_iter().map(DeliveryEntry::from).collect())
}

/// How many deliveries [`list`] would go through.
///
/// # Errors
/// `Forbidden` without `PLUGINS_READ`.
pub async fn count(scope: &Scope, store: &Store, wanted: &Wanted) -> Result<u64> {
    let tx = store.read(scope).await?;
    Ok(of(scope, wanted)?.count(tx.db()).await?)
}

/// A delivery.
///
/// # Errors
/// `Forbidden` without `PLUGINS_READ`; `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: DeliveryId) -> Result<DeliveryEntry> {
    scope.require(Permission::PluginsRead)?;
    let tx = store.read(scope).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    row.map(DeliveryEntry::from).ok_or_else(|| Error::not_found("delivery"))
}

/// Sends a test through a channel, as anything else is sent.
///
/// # Errors
/// `Forbidden` without `PLUGINS_WRITE`; `NotFound` for a plugin that is no channel.
pub async fn test(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<DeliveryEntry> {
    scope.require(Permission::PluginsWrite)?;
    if !registry.channels().contains(&plugin) {
        return Err(Error::not_found("channel"));
    }
    let tx = store.write(scope).await?;
    let id = outbox::put_test(&tx, plugin).await?;
    let event = Event::new("channel.tested").target("delivery", id.0).detail("plugin", plugin);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    get(scope, store, id).await
}

/// Tries a delivery again that was given up, with all its attempts, and those that were given up with it.
///
/// # Errors
/// `Forbidden` without `JOBS_WRITE`; `NotFound`; `Conflict` where it is not dead, or the channel wants nothing more.
pub async fn replay(scope: &Scope, store: &Store, id: DeliveryId) -> Result<()> {
    scope.require(Permission::JobsWrite)?;
    let tx = store.write(scope).await?;
    let row = deliver::hold(&tx, id).await?.ok_or_else(|| Error::not_found("delivery"))?;
    if row.state != outbox::state::DEAD {
        return Err(Error::new(ErrorKind::Conflict, "This delivery was not given up."));
    }
    if channels::gone(&tx).await?.contains(&row.plugin_id) {
        return Err(Error::new(ErrorKind::Conflict, "The channel's receiver wants nothing more; resume it first."));
    }
    revive(&tx, row.clone()).await?;
    if let Some(escalation) = row.escalation_id.filter(|_| row.kind == outbox::kind::OPENED) {
        let fell_with_it = outbox::of_channel(&tx, escalation, &row.plugin_id)
            .filter(table::Column::State.eq(outbox::state::DEAD))
            .filter(table::Column::LastError.eq(AFTER_A_DEAD_ONE))
            .all(tx.db())
            .await?;
        for row in fell_with_it {
            revive(&tx, row).await?;
        }
    }
    audit::append(scope, &tx, Event::new("delivery.replayed").target("delivery", id.0)).await?;
    tx.commit().await
}

async fn revive(tx: &WorkspaceTx, row: table::Model) -> Result<()> {
    let id = row.id;
    let mut again = row.into_active_model();
    again.state = Set(outbox::state::PENDING.to_owned());
    again.attempts = Set(0);
    again.next_attempt_at = Set(tx.store().now());
    again.finished_at = Set(None);
    again.update(tx.db()).await?;
    jobs::enqueue(tx, NewJob::new(outbox::JOB, id.0).priority(1)).await
}

/// Gives a delivery up, and raises the alarm: in the audit log and in the inbox. Without its opening no thread exists, so
/// what would follow is given up with it, and the next channel is told where they go one after another.
pub(super) async fn bury(scope: &Scope, tx: &WorkspaceTx, row: &table::Model, code: &str) -> Result<()> {
    let now = tx.store().now();
    let dead = |query: sea_orm::UpdateMany<table::Entity>, code: &str| {
        query
            .col_expr(table::Column::State, Expr::value(outbox::state::DEAD))
            .col_expr(table::Column::LastError, Expr::value(code))
            .col_expr(table::Column::AttemptBeganAt, Expr::value(Option::<i64>::None))
            .col_expr(table::Column::FinishedAt, Expr::value(now))
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::State.eq(outbox::state::PENDING))
    };
    let gone = dead(table::Entity::update_many(), code).filter(table::Column::Id.eq(row.id)).exec(tx.db()).await?;
    if gone.rows_affected == 0 {
        return Ok(());
    }
    let escalation = match row.escalation_id {
        Some(id) => Some(super::find(tx, id).await?),
        None => None,
    };
    if let (Some(escalation), outbox::kind::OPENED) = (&escalation, row.kind.as_str()) {
        dead(table::Entity::update_many(), AFTER_A_DEAD_ONE)
            .filter(table::Column::EscalationId.eq(escalation.id))
            .filter(table::Column::PluginId.eq(row.plugin_id.as_str()))
            .exec(tx.db())
            .await?;
        let key = tx.store().vault().subject_key(tx.workspace(), escalation.subject_id).await;
        match key {
            Ok(key) => open::tell_next(tx, &key, escalation, &row.plugin_id).await?,
            Err(error) if error.kind() == ErrorKind::SubjectErased => {}
            Err(error) => return Err(error),
        }
    } else {
        deliver::call_next(tx, row).await?;
    }
    inbox::append(tx, inbox::Kind::DeliveryDead, escalation.as_ref(), Some(row.id.0)).await?;
    let event = Event::new("delivery.dead").target("delivery", row.id.0).detail("plugin", row.plugin_id.clone());
    audit::append(scope, tx, event.detail("code", code)).await?;
    Ok(())
}

/// Writes down that the last delivery of an escalation through a channel came back.
pub(super) async fn bounce(
    scope: &Scope,
    tx: &WorkspaceTx,
    escalation: &crate::entity::escalations::Model,
    plugin: &str,
    for_good: bool,
) -> Result<()> {
    let last = outbox::of_channel(tx, escalation.id, plugin)
        .filter(table::Column::State.eq(outbox::state::DELIVERED))
        .order_by_desc(table::Column::Position)
        .one(tx.db())
        .await?;
    let Some(last) = last else { return Ok(()) };
    let (id, opened) = (last.id, last.kind == outbox::kind::OPENED);
    let mut back = last.into_active_model();
    back.last_error = Set(Some("BOUNCED".to_owned()));
    if for_good {
        back.state = Set(outbox::state::BOUNCED.to_owned());
    }
    back.update(tx.db()).await?;
    if for_good && opened {
        let key = tx.store().vault().subject_key(tx.workspace(), escalation.subject_id).await?;
        open::tell_next(tx, &key, escalation, plugin).await?;
    }
    inbox::append(tx, inbox::Kind::Bounced, Some(escalation), Some(id.0)).await?;
    let event = Event::new("delivery.bounced").target("delivery", id.0).detail("plugin", plugin);
    audit::append(scope, tx, event.detail("forGood", for_good)).await?;
    Ok(())
}

fn of(scope: &Scope, wanted: &Wanted) -> Result<sea_orm::Select<table::Entity>> {
    scope.require(Permission::PluginsRead)?;
    let mut query = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    if let Some(state) = wanted.state {
        query = query.filter(table::Column::State.eq(state.name()));
    }
    if let Some(escalation) = wanted.escalation {
        query = query.filter(table::Column::EscalationId.eq(escalation));
    }
    if let Some(plugin) = &wanted.plugin {
        query = query.filter(table::Column::PluginId.eq(plugin.as_str()));
    }
    Ok(query)
}

impl DeliveryState {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => outbox::state::PENDING,
            Self::Delivered => outbox::state::DELIVERED,
            Self::Dead => outbox::state::DEAD,
            Self::Bounced => outbox::state::BOUNCED,
        }
    }
}

impl From<table::Model> for DeliveryEntry {
    fn from(row: table::Model) -> Self {
        let state = match row.state.as_str() {
            outbox::state::DELIVERED => DeliveryState::Delivered,
            outbox::state::DEAD => DeliveryState::Dead,
            outbox::state::BOUNCED => DeliveryState::Bounced,
            _ => DeliveryState::Pending,
        };
        let kind = match row.kind.as_str() {
            outbox::kind::OPENED => DeliveryKind::Opened,
            outbox::kind::SAID => DeliveryKind::Said,
            outbox::kind::RECTIFIED => DeliveryKind::Rectified,
            outbox::kind::CHANGED => DeliveryKind::Changed,
            _ => DeliveryKind::Test,
        };
        Self {
            id: row.id,
            escalation: row.escalation_id,
            plugin: row.plugin_id,
            kind,
            state,
            attempts: row.attempts,
            may_have_been_sent: row.may_have_been_sent || row.attempt_began_at.is_some(),
            last_error: row.last_error,
            next_attempt_at: (state == DeliveryState::Pending).then_some(row.next_attempt_at),
            happened_at: row.happened_at,
            finished_at: row.finished_at,
        }
    }
}
