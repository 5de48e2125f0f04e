//! What the operator of the installation may do from the machine itself, where the root key is at hand anyway.

use std::time::Duration;

use super::{
    SecretText,
    api_keys::{self, NewApiKey},
};
use crate::{
    error::{Error, Result},
    id::WorkspaceId,
    scope::{Permission, Scope},
    store::Store,
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

/// The installation's first workspace.
///
/// # Errors
/// `NotFound` before the first start.
pub async fn first_workspace(store: &Store) -> Result<WorkspaceId> {
    workspaces::all_ids(store).await?.into_iter().min().ok_or_else(|| Error::not_found("workspace"))
}
