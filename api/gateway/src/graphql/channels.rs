//! Channels: which there are, whether they work, and the log of what was told through them.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::escalations::{channels, deliveries};
use consigne_foundation::{
    Permission,
    id::{DeliveryId, EscalationId},
};
use consigne_sdk as sdk;

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// Who can tell that a delivery is a repetition, after a crash between sending and noting it.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sdk::Once")]
pub enum DeliveredOnce {
    /// The channel looks before it repeats.
    ByLooking,
    /// The receiver is given an id that never changes.
    ByReceiver,
    /// Nobody: a delivery can then be seen twice.
    Never,
}

/// A way to tell people that a visitor needs one of them.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Channel {
    /// The plugin.
    pub plugin_id: String,
    /// Whether the workspace uses it.
    pub is_enabled: bool,
    /// Whether answers come back through it; null where it is not enabled or does not open.
    pub is_two_way: Option<bool>,
    /// Who can tell that a delivery is a repetition; null where it is not enabled or does not open.
    pub delivered_once: Option<DeliveredOnce>,
    /// Whether the workspace's `transfers` let what people write go where the channel is. Elsewhere it hears that a visitor
    /// needs somebody, with the link, and nothing of what was said.
    pub may_take_texts: bool,
    /// Since when its receiver wants nothing more (410): nothing is sent until `resumeChannel`.
    pub gone_at: Option<DateTime>,
}

#[ComplexObject]
impl Channel {
    /// Where the other side sends what people answer: an address that nobody can guess; null for those who may not set
    /// plugins.
    async fn inbound_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        if !self.is_enabled || !scope.permissions().has(Permission::PluginsWrite) {
            return Ok(None);
        }
        let services = ctx.services();
        let address = channels::address(&scope, ctx.store(), &services.registry, &self.plugin_id).await;
        Ok(Some(format!("{}/channels/{}", services.public_url, address.map_err(refuse)?)))
    }
}

/// What a delivery tells.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "deliveries::DeliveryKind")]
pub enum DeliveryKind {
    /// A visitor needs a person.
    Opened,
    /// Something was said.
    Said,
    /// Something that was told before is put right (GDPR art. 19).
    Rectified,
    /// The state of an escalation changed.
    Changed,
    /// Somebody checks whether the channel works.
    Test,
}

/// Where a delivery stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "deliveries::DeliveryState")]
pub enum DeliveryState {
    /// To be tried, or being tried.
    Pending,
    /// Done; the text is gone.
    Delivered,
    /// Given up; `replayDelivery` tries again.
    Dead,
    /// It was delivered, and came back.
    Bounced,
}

/// Something that a channel is told, without its text.
#[derive(SimpleObject, Clone)]
pub struct Delivery {
    /// Its id, which the other side gets as the key that never changes.
    pub id: ID,
    /// The escalation; a test has none.
    pub escalation_id: Option<ID>,
    /// The channel.
    pub plugin_id: String,
    /// What it tells.
    pub kind: DeliveryKind,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that were begun.
    pub attempts: i32,
    /// Whether an attempt may have got through without this side knowing.
    pub may_have_been_sent: bool,
    /// Why the last attempt failed: `UNAVAILABLE`, `TIMED_OUT`, `RATE_LIMITED`, `REFUSED`, `GONE`, `MISCONFIGURED`,
    /// `DISABLED`, `HOST_NOT_ALLOWED`, `INVALID_RESPONSE`, `INTERNAL`, `EARLIER_DEAD` or `BOUNCED`.
    pub last_error_code: Option<String>,
    /// The next attempt, while it is pending.
    pub next_attempt_at: Option<DateTime>,
    /// What it tells of happened at.
    pub happened_at: DateTime,
    /// Delivered or given up at.
    pub finished_at: Option<DateTime>,
}

connection! {
    /// Deliveries, newest first.
    DeliveryConnection, DeliveryEdge, Delivery, |delivery| delivery.id.to_string()
}

/// Which channel.
#[derive(InputObject)]
pub struct ChannelInput {
    /// The plugin.
    pub plugin_id: String,
}

/// Which delivery.
#[derive(InputObject)]
pub struct ReplayDeliveryInput {
    /// The delivery.
    pub delivery_id: ID,
}

/// What the other side says, or why it says nothing.
#[derive(SimpleObject)]
pub struct CheckChannelPayload {
    /// One sentence of the other side: who the settings are for.
    pub message: Option<String>,
    /// Why the settings do not work.
    pub user_errors: Vec<UserError>,
}

/// The delivery, or why nothing was done.
#[derive(SimpleObject)]
pub struct DeliveryPayload {
    /// The delivery.
    pub delivery: Option<Delivery>,
    /// Why nothing was done.
    pub user_errors: Vec<UserError>,
}

/// The channel, or why nothing was done.
#[derive(SimpleObject)]
pub struct ResumeChannelPayload {
    /// The channel.
    pub channel: Option<Channel>,
    /// Why nothing was done.
    pub user_errors: Vec<UserError>,
}

/// Reading channels and the delivery log.
#[derive(Default)]
pub struct ChannelQuery;

#[Object]
impl ChannelQuery {
    /// All channels.
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        let all = channels::list(&scope, ctx.store(), &ctx.services().registry).await.map_err(refuse)?;
        Ok(all.into_iter().map(Channel::from).collect())
    }

    /// A delivery; null where it is unknown.
    async fn delivery(&self, ctx: &Context<'_>, #[graphql(desc = "The delivery.")] id: ID) -> Result<Option<Delivery>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        let found = deliveries::get(&scope, ctx.store(), DeliveryId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Delivery::from))
    }

    /// What channels were told, or are to be, newest first.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In this state; in any where left out.")] state: Option<DeliveryState>,
        #[graphql(desc = "Of this escalation; of any where left out.")] escalation_id: Option<ID>,
        #[graphql(desc = "To this channel; to any where left out.")] plugin_id: Option<String>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<DeliveryConnection> {
        let (scope, page) = (ctx.scope(Permission::PluginsRead)?, Page::of(first)?);
        let wanted = deliveries::Wanted {
            state: state.map(Into::into),
            escalation: escalation_id.map(|id| EscalationId::parse_or_unknown(&id)),
            plugin: plugin_id,
        };
        let after = after.as_deref().map(DeliveryId::parse_or_unknown);
        let rows = deliveries::list(&scope, ctx.store(), &wanted, after, page.limit()).await.map_err(refuse)?;
        let total = deliveries::count(&scope, ctx.store(), &wanted).await.map_err(refuse)?;
        Ok(DeliveryConnection::new(&page, rows.into_iter().map(Delivery::from).collect(), total))
    }
}

/// Trying channels and deliveries.
#[derive(Default)]
pub struct ChannelMutation;

#[Object]
impl ChannelMutation {
    /// Asks the other side of a channel whether the settings work, without telling anybody anything.
    async fn check_channel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChannelInput,
    ) -> Result<CheckChannelPayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let said = channels::check(&scope, ctx.store(), &ctx.services().registry, &input.plugin_id).await;
        let (message, user_errors) = split(said)?;
        Ok(CheckChannelPayload { message, user_errors })
    }

    /// Sends a test through a channel, as anything else is sent; the delivery says what became of it.
    async fn test_channel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChannelInput,
    ) -> Result<DeliveryPayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let test = deliveries::test(&scope, ctx.store(), &ctx.services().registry, &input.plugin_id).await;
        let (delivery, user_errors) = split(test)?;
        Ok(DeliveryPayload { delivery: delivery.map(Delivery::from), user_errors })
    }

    /// Uses a channel again whose receiver wanted nothing more.
    async fn resume_channel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChannelInput,
    ) -> Result<ResumeChannelPayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let registry = &ctx.services().registry;
        let (resumed, user_errors) = split(channels::resume(&scope, ctx.store(), registry, &input.plugin_id).await)?;
        let channel = match resumed {
            Some(()) => {
                let all = channels::list(&scope, ctx.store(), registry).await.map_err(refuse)?;
                all.into_iter().find(|channel| channel.plugin == input.plugin_id).map(Channel::from)
            }
            None => None,
        };
        Ok(ResumeChannelPayload { channel, user_errors })
    }

    /// Tries a delivery again that was given up, with all its attempts, and those that were given up because of it.
    async fn replay_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ReplayDeliveryInput,
    ) -> Result<DeliveryPayload> {
        let scope = ctx.scope(Permission::JobsWrite)?;
        let id = DeliveryId::parse_or_unknown(&input.delivery_id);
        let (replayed, user_errors) = split(deliveries::replay(&scope, ctx.store(), id).await)?;
        let delivery = match replayed {
            Some(()) if scope.permissions().has(Permission::PluginsRead) => {
                look_up(deliveries::get(&scope, ctx.store(), id).await)?
            }
            _ => None,
        };
        Ok(DeliveryPayload { delivery: delivery.map(Delivery::from), user_errors })
    }
}

impl From<channels::ChannelInfo> for Channel {
    fn from(c: channels::ChannelInfo) -> Self {
        Self {
            plugin_id: c.plugin.to_owned(),
            is_enabled: c.is_enabled,
            is_two_way: c.traits.map(|traits| traits.two_way),
            delivered_once: c.traits.map(|traits| traits.once.into()),
            may_take_texts: c.may_take_texts,
            gone_at: c.gone_at.map(DateTime::from),
        }
    }
}

impl From<deliveries::DeliveryEntry> for Delivery {
    fn from(d: deliveries::DeliveryEntry) -> Self {
        Self {
            id: d.id.to_string().into(),
            escalation_id: d.escalation.map(|escalation| escalation.to_string().into()),
            plugin_id: d.plugin,
            kind: d.kind.into(),
            state: d.state.into(),
            attempts: i32::try_from(d.attempts).unwrap_or(i32::MAX),
            may_have_been_sent: d.may_have_been_sent,
            last_error_code: d.last_error,
            next_attempt_at: d.next_attempt_at.map(DateTime::from),
            happened_at: d.happened_at.into(),
            finished_at: d.finished_at.map(DateTime::from),
        }
    }
}
