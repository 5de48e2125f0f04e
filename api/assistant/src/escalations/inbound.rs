//! What comes back through a channel: verified by the channel, taken in once, and only for an escalation that is known.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    plugins::{Registry, addresses},
    store::{Store, WorkspaceTx},
};
use consigne_sdk::{Action, EscalationState, Inbound, InboundRequest, ReplyTo};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};
use tokio::time::timeout;

use super::{
    deliver::DeliveryMeter,
    deliveries, notes, outbox, replies,
    turns::{self, By, Held},
};
use crate::{
    chats::{ChatState, state},
    entity::{channel_events, channel_threads, deliveries as delivery_table, escalations},
    knowledge::parse,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// For so long the other side comes again with what was not taken; a channel that is down longer does not have
/// everything refused that is said in other threads.
const RETRIED_FOR: Duration = Duration::from_secs(10 * 60);
/// What an event's id may hold.
const LONGEST_ID: usize = 200;
/// What somebody may be called on the other side.
const LONGEST_BY: usize = 200;

/// What is taken in.
#[derive(Clone)]
pub struct InboundPost {
    /// The database.
    pub store: Store,
    /// Channels come from here.
    pub registry: Arc<Registry>,
    /// Counts.
    pub meter: Arc<dyn DeliveryMeter>,
}

/// What the sender is answered, beside the status 200.
pub type Answer = Option<(&'static str, Bytes)>;

impl InboundPost {
    /// Takes in a request that was sent to an address of a channel. Everything that is wrong with it is `Forbidden`,
    /// without a word of why.
    ///
    /// # Errors
    /// `Forbidden`; `Unavailable` where the sender is to come again.
    pub async fn receive(&self, address: &str, headers: Vec<(String, String)>, body: Bytes) -> Result<Answer> {
        let Some((scope, plugin)) = addresses::resolve(&self.store, address).await? else { return Err(refused()) };
        let channel = match self.registry.channel(&scope, &self.store, &plugin).await {
            Ok(channel) => channel,
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => return Err(refused()),
        };
        let request = InboundRequest { headers, body, at: self.store.now().0 };
        let received = match timeout(PATIENCE, channel.receive(request)).await {
            Ok(Ok(received)) => received,
            Ok(Err(error)) if error.is_retryable() => return Err(error.into()),
            Ok(Err(_)) => return Err(refused()),
            Err(_) => return Err(Error::new(ErrorKind::Unavailable, "The channel did not read the request in time.")),
        };
        for event in received.events {
            let tx = self.store.write(&scope).await?;
            let outcome = take_in(&scope, &tx, &plugin, event).await?;
            tx.commit().await?;
            self.meter.came_in(outcome);
        }
        Ok(received.answer)
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Forbidden, "Refused.")
}

/// Takes in one event, in the transaction that remembers it. Says what became of it: `taken`, `repeated` or `unknown`.
///
/// # Errors
/// `Unavailable` where it may belong to a thread that is not known yet: nothing is remembered.
pub(super) async fn take_in(scope: &Scope, tx: &WorkspaceTx, plugin: &str, event: Inbound) -> Result<&'static str> {
    if event.id.is_empty() || event.id.len() > LONGEST_ID {
        tracing::warn!(plugin, "a channel gave an event without an id that can be kept");
        return Ok("unknown");
    }
    if !remember(tx, plugin, &event.id).await? {
        return Ok("repeated");
    }
    let Some(escalation) = escalation_of(tx, plugin, &event.of).await? else {
        return match event.of {
            ReplyTo::Thread(_) if may_be_threaded_soon(tx, plugin).await? => {
                Err(Error::new(ErrorKind::Unavailable, "The thread is not known yet."))
            }
            _ => Ok("unknown"),
        };
    };
    let chat = state::hold(tx, escalation.chat_id).await?;
    let held = match Held::of(tx, chat).await {
        // Nothing is added about somebody who is being erased, or whose data may only be stored.
        Err(error) if matches!(error.kind(), ErrorKind::SubjectErased | ErrorKind::Restricted) => return Ok("unknown"),
        held => held?,
    };
    let by = By { account: None, plugin: Some(plugin.to_owned()), name: event.by.as_deref().map(short) };
    act(scope, tx, held, &escalation, &by, event.what).await?;
    Ok("taken")
}

async fn act(
    scope: &Scope,
    tx: &WorkspaceTx,
    held: Held,
    escalation: &escalations::Model,
    by: &By,
    what: Action,
) -> Result<()> {
    // A button of an old thread does nothing to what the chat is in now.
    let is_current = held.chat.escalation_id == Some(escalation.id);
    match what {
        Action::Reply { text, refused_files } => {
            if refused_files > 0 {
                let note = format!("{refused_files} file(s) that came with a reply were not taken.");
                let by = By { name: None, ..by.clone() };
                notes::post(scope, tx, &held, &by, &note).await?;
            }
            if let Some(text) = readable(&text) {
                replies::post(scope, tx, held, by, &text, None).await?;
            }
        }
        Action::Note { text } => {
            if let Some(text) = readable(&text) {
                notes::post(scope, tx, &held, by, &text).await?;
            }
        }
        // Somebody else may have been faster.
        Action::Take if ChatState::of(&held.chat) == ChatState::WithPerson => {}
        Action::Take | Action::HandBack | Action::Resolve if !is_current => {}
        Action::Take => {
            turns::take_over(scope, tx, &held, by).await?;
        }
        Action::HandBack => {
            turns::close(scope, tx, &held, EscalationState::HandedBack, by).await?;
        }
        Action::Resolve => {
            turns::close(scope, tx, &held, EscalationState::Resolved, by).await?;
        }
        Action::Bounced { for_good } => {
            let plugin = by.plugin.as_deref().unwrap_or_default();
            deliveries::bounce(scope, tx, escalation, plugin, for_good).await?;
        }
    }
    Ok(())
}

/// Whether the event is new.
async fn remember(tx: &WorkspaceTx, plugin: &str, event: &str) -> Result<bool> {
    use channel_events::Column::{EventId, PluginId, WorkspaceId};
    let row = channel_events::ActiveModel {
        workspace_id: Set(tx.workspace()),
        plugin_id: Set(plugin.to_owned()),
        event_id: Set(event.to_owned()),
        received_at: Set(tx.store().now()),
    };
    let known = OnConflict::columns([WorkspaceId, PluginId, EventId]).do_nothing().to_owned();
    let inserted = channel_events::Entity::insert(row).on_conflict(known).exec_without_returning(tx.db()).await?;
    Ok(inserted == 1)
}

/// The escalation that an event belongs to, if it was told on this channel.
async fn escalation_of(tx: &WorkspaceTx, plugin: &str, of: &ReplyTo) -> Result<Option<escalations::Model>> {
    let found = match of {
        ReplyTo::Thread(thread) => {
            let row = channel_threads::Entity::find()
                .filter(channel_threads::Column::WorkspaceId.eq(tx.workspace()))
                .filter(channel_threads::Column::PluginId.eq(plugin))
                .filter(channel_threads::Column::Thread.eq(thread.as_str()))
                .order_by_desc(channel_threads::Column::EscalationId)
                .one(tx.db())
                .await?;
            match row {
                Some(row) => Some(super::find(tx, row.escalation_id).await?),
                None => None,
            }
        }
        ReplyTo::Token(token) => {
            escalations::Entity::find()
                .filter(escalations::Column::WorkspaceId.eq(tx.workspace()))
                .filter(escalations::Column::ReplyToken.eq(token.as_str()))
                .one(tx.db())
                .await?
        }
    };
    let Some(found) = found else { return Ok(None) };
    let told =
        outbox::of_channel(tx, found.id, plugin).filter(delivery_table::Column::Attempts.gt(0)).one(tx.db()).await?;
    Ok(told.map(|_| found))
}

/// Whether an escalation's thread may exist on the other side and is not known here: its opening was sent, and the answer
/// did not come yet, or never. Whoever writes into it already is to come again.
async fn may_be_threaded_soon(tx: &WorkspaceTx, plugin: &str) -> Result<bool> {
    use delivery_table::Column::{AttemptBeganAt, HappenedAt, Kind, MayHaveBeenSent, PluginId, State, WorkspaceId};
    let recently = tx.store().now().minus(RETRIED_FOR);
    let lost = Condition::all().add(MayHaveBeenSent.eq(true)).add(HappenedAt.gt(recently));
    let row = delivery_table::Entity::find()
        .filter(WorkspaceId.eq(tx.workspace()))
        .filter(PluginId.eq(plugin))
        .filter(Kind.eq(outbox::kind::OPENED))
        .filter(State.eq(outbox::state::PENDING))
        .filter(Condition::any().add(AttemptBeganAt.is_not_null()).add(lost))
        .one(tx.db())
        .await?;
    Ok(row.is_some())
}

/// Clean, not empty, and not too long.
fn readable(text: &str) -> Option<String> {
    let text = parse::clean::clean(text);
    let text: String = text.trim().chars().take(replies::MOST_CHARACTERS).collect();
    (!text.is_empty()).then_some(text)
}

fn short(by: &str) -> String {
    parse::clean::one_line(by).chars().take(LONGEST_BY).collect()
}
