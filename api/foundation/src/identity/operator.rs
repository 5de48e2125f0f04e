//! What the operator of the installation may do from the machine itself, where the root key is at hand anyway.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    Role, SecretText,
    api_keys::{self, NewApiKey},
};
use crate::{
    error::{Error, Result},
    id::{AccountId, WorkspaceId},
    scope::{Permission, Scope},
    store::{
        Store,
        entity::{memberships, workspaces as workspace_table},
    },
    workspaces,
};

/// Makes a secret API key of a workspace with every permission, for `lives`, or until it is revoked. Recorded in the
/// workspace's audit log.
///
/// # Errors
/// `NotFound` workspace; `Unavailable`.
pub async fn create_key(
    store: &Store,
    workspace: WorkspaceId,
    name: &str,
    lives: Option<Duration>,
) -> Result<SecretText> {
    let scope = Scope::duty(workspace, "operator");
    workspaces::get(&scope, store).await?;
    let new = NewApiKey::Secret {
        name: name.to_owned(),
        permissions: Permission::ALL.to_vec(),
        expires_at: lives.map(|lives| store.now().plus(lives)),
    };
    api_keys::create(&scope, store, new).await.map(|(_, text)| text)
}

/// A scope in each workspace, for a command of the operator that goes through all of them.
///
/// # Errors
/// `Unavailable`.
pub async fn scopes(store: &Store, command: &'static str) -> Result<Vec<Scope>> {
    Ok(workspaces::all_ids(store).await?.into_iter().map(|workspace| Scope::duty(workspace, command)).collect())
}

/// The workspace of this name, the oldest where several have it.
///
/// # Errors
/// `Unavailable`.
pub async fn workspace_named(store: &Store, name: &str) -> Result<Option<WorkspaceId>> {
    let tx = store.read_instance().await?;
    let found = workspace_table::Entity::find()
        .filter(workspace_table::Column::Name.eq(name))
        .order_by_asc(workspace_table::Column::Id)
        .one(tx.db())
        .await?;
    Ok(found.map(|workspace| workspace.id))
}

/// An account that owns a workspace.
///
/// # Errors
/// `NotFound` where it has none.
pub async fn owner_of(store: &Store, workspace: WorkspaceId) -> Result<AccountId> {
    let tx = store.read_instance().await?;
    let owner = memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(workspace))
        .filter(memberships::Column::Role.eq(Role::Owner.name()))
        .one(tx.db())
        .await?;
    owner.map(|owner| owner.account_id).ok_or_else(|| Error::not_found("owner"))
}

/// The installation's first workspace.
///
/// # Errors
/// `NotFound` before the first start.
pub async fn first_workspace(store: &Store) -> Result<WorkspaceId> {
    workspaces::all_ids(store).await?.into_iter().min().ok_or_else(|| Error::not_found("workspace"))
}
