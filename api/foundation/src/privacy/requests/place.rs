//! Where the public finds a workspace: an unguessable address that the workspace puts on its privacy page, or the publishable
//! key of a page.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::{WorkspaceId, decode, encode, random_uuid},
    identity::api_keys::{self, ApiKeyKind},
    scope::{Actor, Permission, Permissions, Scope},
    store::{Store, entity::privacy_addresses as table},
};

/// Who acts where the public asks.
const ACTOR: &str = "privacy-form";

/// How somebody without a token names a workspace.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublicPlace<'a> {
    /// The workspace's privacy address.
    pub address: Option<&'a str>,
    /// A publishable key, as a page shows it.
    pub publishable_key: Option<&'a str>,
    /// The page's origin, where a browser sent one.
    pub origin: Option<&'a str>,
}

/// The address of the workspace; made at the first call.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn of(scope: &Scope, store: &Store) -> Result<String> {
    scope.require(Permission::PrivacyRead)?;
    if let Some(id) = find(scope, store).await? {
        return Ok(encode(id));
    }
    let tx = store.write(scope).await?;
    let row = table::ActiveModel {
        id: Set(random_uuid()),
        address_workspace_id: Set(scope.workspace()),
        created_at: Set(store.now()),
    };
    let first = OnConflict::column(table::Column::AddressWorkspaceId).do_nothing().to_owned();
    let made = table::Entity::insert(row).on_conflict(first).exec_without_returning(tx.db()).await?;
    if made > 0 {
        audit::append(scope, &tx, Event::new("privacy.address_made")).await?;
    }
    tx.commit().await?;
    find(scope, store).await?.map(encode).ok_or_else(|| Error::internal("an address that was just made"))
}

/// The product's own scope in the workspace that the public named.
///
/// # Errors
/// `NotFound` where nobody is there; `Invalid` where none is named.
pub(in crate::privacy) async fn resolve(store: &Store, place: PublicPlace<'_>) -> Result<Scope> {
    if let Some(key) = place.publishable_key {
        return match api_keys::by_text(store, key, ApiKeyKind::Publishable).await {
            Ok((workspace, key))
                if place.origin.is_some_and(|origin| key.origins.iter().any(|known| known == origin)) =>
            {
                Ok(public_scope(workspace))
            }
            Ok(_) => Err(unknown()),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(unknown()),
            Err(error) => Err(error),
        };
    }
    let address = place.address.ok_or_else(|| Error::invalid("address", "Give the workspace's privacy address."))?;
    let Some(id) = decode(address.trim()) else { return Err(unknown()) };
    let tx = store.read_instance().await?;
    let row = table::Entity::find_by_id(id).one(tx.db()).await?.ok_or_else(unknown)?;
    Ok(public_scope(row.address_workspace_id))
}

/// What the public may: be told what is public.
pub(in crate::privacy) fn public_scope(workspace: WorkspaceId) -> Scope {
    let may = Permissions::of(&[Permission::PrivacyRead, Permission::PluginsRead]);
    Scope::new(workspace, Actor::Duty(ACTOR), may)
}

async fn find(scope: &Scope, store: &Store) -> Result<Option<Uuid>> {
    let tx = store.read_instance().await?;
    let row =
        table::Entity::find().filter(table::Column::AddressWorkspaceId.eq(scope.workspace())).one(tx.db()).await?;
    Ok(row.map(|row| row.id))
}

fn unknown() -> Error {
    Error::not_found("privacy address")
}
