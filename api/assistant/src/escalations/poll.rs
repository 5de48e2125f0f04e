//! Fetches what came back through channels that are not pushed to. What was fetched and where to go on are written in one
//! transaction, so that nothing is lost or taken twice.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    jobs::{Duty, DutyContext},
    privacy::{Purpose, instructions},
};
use consigne_sdk::CapabilityKind;
use futures::{FutureExt, StreamExt, stream};
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
use tokio::time::timeout;

use super::inbound::{self, InboundPost};
use crate::entity::channel_states as table;

const PATIENCE: Duration = Duration::from_secs(30);
/// Channels asked at once.
const AT_ONCE: usize = 16;
const LONGEST_CURSOR: usize = 500;

/// The duty.
pub struct ChannelPoll(pub InboundPost);

#[async_trait]
impl Duty for ChannelPoll {
    fn name(&self) -> &'static str {
        "channel-poll"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let mut all = Vec::new();
        for scope in context.scopes().await? {
            let used = self.0.registry.used(&scope, &self.0.store, CapabilityKind::Channel).await?;
            for plugin in used {
                all.push(self.poll_or_log(scope.clone(), plugin.to_owned()).boxed());
            }
        }
        stream::iter(all).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        Ok(())
    }
}

impl ChannelPoll {
    /// One customer's mailbox that is down is no other's concern.
    async fn poll_or_log(&self, scope: Scope, plugin: String) {
        if let Err(error) = self.poll(&scope, &plugin).await {
            tracing::warn!(workspace = %scope.workspace(), plugin, %error, "a channel could not be polled");
        }
    }

    async fn poll(&self, scope: &Scope, plugin: &str) -> Result<()> {
        let InboundPost { store, registry, meter } = &self.0;
        if !instructions::stands(&store.read(scope).await?, Purpose::Escalation).await? {
            return Ok(());
        }
        let channel = registry.channel(scope, store, plugin).await?;
        let known = {
            let tx = store.read(scope).await?;
            let row = table::Entity::find_by_id((scope.workspace(), plugin.to_owned())).one(tx.db()).await?;
            row.and_then(|row| row.cursor)
        };
        let polled = timeout(PATIENCE, channel.poll(known.clone())).await;
        let polled =
            polled.map_err(|_| Error::new(ErrorKind::Unavailable, "The channel did not answer in time."))??;
        if polled.events.is_empty() && polled.cursor == known {
            return Ok(());
        }
        let tx = store.write(scope).await?;
        let mut outcomes = Vec::new();
        for event in polled.events {
            outcomes.push(inbound::take_in(scope, &tx, plugin, event).await?);
        }
        let row = table::ActiveModel {
            workspace_id: Set(scope.workspace()),
            plugin_id: Set(plugin.to_owned()),
            cursor: Set(polled.cursor.filter(|cursor| cursor.len() <= LONGEST_CURSOR)),
            gone_at: Set(None),
        };
        let again = OnConflict::columns([table::Column::WorkspaceId, table::Column::PluginId])
            .update_column(table::Column::Cursor)
            .to_owned();
        table::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
        tx.commit().await?;
        for outcome in outcomes {
            meter.came_in(outcome);
        }
        Ok(())
    }
}
