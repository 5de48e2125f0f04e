//! Addresses at which a workspace's channels are written to from outside: an unguessable id for each workspace and plugin.
//!
//! The id says which workspace a request is for and nothing more: whether to believe the request is for the channel to say.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use super::Registry;
use crate::{
    audit::{self, Event},
    error::{Error, Result},
    id::{decode, encode, random_uuid},
    scope::{Permission, Scope},
    store::{Store, entity::channel_addresses as table},
};

/// Who acts where a channel is written to.
const ACTOR: &str = "channel";

/// The last part of the path at which the workspace's channel is written to; made at the first call.
///
/// # Errors
/// `Forbidden` without `PLUGINS_WRITE`; `NotFound` for a plugin that is no channel.
pub async fn of(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<String> {
    scope.require(Permission::PluginsWrite)?;
    if !registry.channels().contains(&plugin) {
        return Err(Error::not_found("channel"));
    }
    if let Some(id) = find(scope, store, plugin).await? {
        return Ok(encode(id));
    }
    let tx = store.write(scope).await?;
    let row = table::ActiveModel {
        id: Set(random_uuid()),
        address_workspace_id: Set(scope.workspace()),
        plugin_id: Set(plugin.to_owned()),
        created_at: Set(store.now()),
    };
    let first =
        OnConflict::columns([table::Column::AddressWorkspaceId, table::Column::PluginId]).do_nothing().to_owned();
    let made = table::Entity::insert(row).on_conflict(first).exec_without_returning(tx.db()).await?;
    if made > 0 {
        let event = Event::new("channel.address_made").target("plugin", super::settings::row_of(plugin));
        audit::append(scope, &tx, event.detail("plugin", plugin)).await?;
    }
    tx.commit().await?;
    find(scope, store, plugin).await?.map(encode).ok_or_else(|| Error::internal("an address that was just made"))
}

/// Whose address this is: the product's own scope in that workspace, and the plugin. `None` where it is nobody's.
///
/// # Errors
/// `Unavailable`.
pub async fn resolve(store: &Store, address: &str) -> Result<Option<(Scope, String)>> {
    let Some(id) = decode(address) else { return Ok(None) };
    let tx = store.read_instance().await?;
    let row = table::Entity::find_by_id(id).one(tx.db()).await?;
    Ok(row.map(|row| (Scope::duty(row.address_workspace_id, ACTOR), row.plugin_id)))
}

async fn find(scope: &Scope, store: &Store, plugin: &str) -> Result<Option<Uuid>> {
    let tx = store.read_instance().await?;
    let row = table::Entity::find()
        .filter(table::Column::AddressWorkspaceId.eq(scope.workspace()))
        .filter(table::Column::PluginId.eq(plugin))
        .one(tx.db())
        .await?;
    Ok(row.map(|row| row.id))
}
