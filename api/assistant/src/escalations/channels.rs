//! The workspace's channels: which there are, whether they work, where they are written to, and which receiver wants
//! nothing more.

use std::{collections::BTreeSet, time::Duration};

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    error::ErrorKind,
    plugins::{Registry, addresses},
    privacy::{Purpose, instructions},
    store::{Store, WorkspaceTx},
};
use consigne_sdk::CapabilityKind;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use tokio::time::timeout;

use super::{deliveries, inbox, outbox};
use crate::{
    entity::{channel_states as table, deliveries as delivery_table},
    policy,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A channel, as a workspace has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The plugin.
    pub plugin: &'static str,
    /// Whether the workspace uses it.
    pub is_enabled: bool,
    /// What it can do under its settings, where it opens.
    pub traits: Option<consigne_sdk::ChannelTraits>,
    /// Whether the workspace lets what people write go where the channel is; elsewhere it hears of a chat without its texts.
    pub may_take_texts: bool,
    /// Since when its receiver wants nothing more.
    pub gone_at: Option<Timestamp>,
}

/// All channels that are compiled in.
///
/// # Errors
/// `Forbidden` without `PLUGINS_READ`.
pub async fn list(scope: &Scope, store: &Store, registry: &Registry) -> Result<Vec<ChannelInfo>> {
    scope.require(Permission::PluginsRead)?;
    let used = registry.used(scope, store, CapabilityKind::Channel).await?;
    let (states, transfers, is_instructed) = {
        let tx = store.read(scope).await?;
        let of_workspace = table::Column::WorkspaceId.eq(scope.workspace());
        let states = table::Entity::find().filter(of_workspace).all(tx.db()).await?;
        let is_instructed = instructions::stands(&tx, Purpose::Escalation).await?;
        (states, policy::current(&tx).await?.transfers, is_instructed)
    };
    let mut all = Vec::new();
    for plugin in registry.channels() {
        let is_enabled = used.contains(&plugin);
        let route = match is_enabled && is_instructed {
            // One that cannot open says so when it is checked.
            true => registry.channel_route(scope, store, plugin).await.ok(),
            false => None,
        };
        let may_take_texts = route.as_ref().is_some_and(|(_, facts)| transfers.allows(&facts.processing));
        let traits = route.map(|(channel, _)| channel.traits());
        let gone_at = states.iter().find(|row| row.plugin_id == plugin).and_then(|row| row.gone_at);
        all.push(ChannelInfo { plugin, is_enabled, traits, may_take_texts, gone_at });
    }
    Ok(all)
}

/// Asks the other side whether the settings work; answers with what it says.
///
/// # Errors
/// `Forbidden` without `PLUGINS_WRITE`; `NotFound`; `Disabled`; `Misconfigured` where the other side refuses;
/// `Unavailable`.
pub async fn check(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<String> {
    scope.require(Permission::PluginsWrite)?;
    let channel = registry.channel(scope, store, plugin).await?;
    let said = match timeout(PATIENCE, channel.check()).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => return Err(unusable(error.into())),
        Err(_) => return Err(Error::new(ErrorKind::Unavailable, "The other side did not answer in time.")),
    };
    let tx = store.write(scope).await?;
    let event = Event::new("channel.checked").target("plugin", Registry::row_of(plugin)).detail("plugin", plugin);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(said)
}

/// A refusal by the other side is not one by this side.
fn unusable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Forbidden => {
            Error::new(ErrorKind::Misconfigured, "The other side refused the settings.").because(error)
        }
        _ => error,
    }
}

/// The last part of the path at which the channel is written to from outside.
///
/// # Errors
/// As [`addresses::of`].
pub async fn address(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<String> {
    addresses::of(scope, store, registry, plugin).await
}

/// Uses a channel again whose receiver wanted nothing more.
///
/// # Errors
/// `Forbidden` without `PLUGINS_WRITE`; `NotFound`; `Conflict` where it is in use.
pub async fn resume(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<()> {
    scope.require(Permission::PluginsWrite)?;
    if !registry.channels().contains(&plugin) {
        return Err(Error::not_found("channel"));
    }
    let tx = store.write(scope).await?;
    let resumed = table::Entity::update_many()
        .col_expr(table::Column::GoneAt, Expr::value(Option::<i64>::None))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::PluginId.eq(plugin))
        .filter(table::Column::GoneAt.is_not_null())
        .exec(tx.db())
        .await?;
    if resumed.rows_affected == 0 {
        return Err(Error::new(ErrorKind::Conflict, "This channel's receiver did not say that it is gone."));
    }
    let event = Event::new("channel.resumed").target("plugin", Registry::row_of(plugin)).detail("plugin", plugin);
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// The channels whose receiver wants nothing more.
pub(super) async fn gone(tx: &WorkspaceTx) -> Result<BTreeSet<String>> {
    let all: Vec<String> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::GoneAt.is_not_null())
        .select_only()
        .column(table::Column::PluginId)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(all.into_iter().collect())
}

/// The receiver wants nothing more (410): nothing more is sent, and what waits is given up.
pub(super) async fn close(scope: &Scope, tx: &WorkspaceTx, plugin: &str) -> Result<()> {
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        plugin_id: Set(plugin.to_owned()),
        cursor: Set(None),
        gone_at: Set(Some(tx.store().now())),
    };
    let known = OnConflict::columns([table::Column::WorkspaceId, table::Column::PluginId])
        .update_column(table::Column::GoneAt)
        .to_owned();
    table::Entity::insert(row).on_conflict(known).exec_without_returning(tx.db()).await?;
    let waiting = delivery_table::Entity::find()
        .filter(delivery_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(delivery_table::Column::PluginId.eq(plugin))
        .filter(delivery_table::Column::State.eq(outbox::state::PENDING))
        .order_by_asc(delivery_table::Column::Position)
        .all(tx.db())
        .await?;
    for row in waiting {
        deliveries::bury(scope, tx, &row, "GONE").await?;
    }
    inbox::append(tx, inbox::Kind::ChannelGone, None, None).await?;
    let event = Event::new("channel.gone").target("plugin", Registry::row_of(plugin)).detail("plugin", plugin);
    audit::append(scope, tx, event).await?;
    Ok(())
}
