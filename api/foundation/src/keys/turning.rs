//! One key from one version to the next: make it, seal anew, let the old one go.

use std::sync::Arc;

use super::{DAY, SealedElsewhere, WORKSPACE_KEY_DAYS, reseal};
use crate::{
    audit::{self, Event},
    backups::record,
    error::Result,
    id::WorkspaceId,
    store::Store,
    vault::versions::{INSTALLATION, KeyVersion},
};

/// Does what is due for the key of a workspace, or for the installation's.
pub(super) async fn turn(store: &Store, elsewhere: &[Arc<dyn SealedElsewhere>], workspace: WorkspaceId) -> Result<()> {
    if let Some(version) = store.vault().turn_key(workspace, WORKSPACE_KEY_DAYS * DAY).await? {
        tracing::info!(%workspace, version, "a key has a new version");
        note(store, workspace, "key.rotated", version).await?;
    }
    store.vault().look_again(workspace).await?;
    for old in store.vault().old_versions(workspace).await? {
        seal_anew(store, elsewhere, workspace, &old).await?;
    }
    // What nothing referred to for long enough goes; looked up again, with what was just noted.
    for old in store.vault().old_versions(workspace).await? {
        let Some(since) = old.unreferenced_at else { continue };
        if record::is_any_left_from_before(store, since).await? {
            continue;
        }
        if store.vault().remove_version(workspace, &old).await? {
            tracing::info!(%workspace, version = old.number, "an old version of a key is gone");
            note(store, workspace, "key.removed", old.number).await?;
        }
    }
    Ok(())
}

async fn seal_anew(
    store: &Store,
    elsewhere: &[Arc<dyn SealedElsewhere>],
    workspace: WorkspaceId,
    old: &KeyVersion,
) -> Result<()> {
    let mut left = 0;
    reseal::reseal(store, workspace, old.number).await?;
    left += reseal::count(store, workspace, old.number).await?;
    if workspace != INSTALLATION {
        let scope = reseal::scope(workspace);
        store.vault().rewrap_people(workspace, old.number).await?;
        left += u64::from(store.vault().wraps_people(workspace, old.number).await?);
        for sealed in elsewhere {
            sealed.reseal(&scope, old.number).await?;
            left += sealed.count(&scope, old.number).await?;
        }
    }
    store.vault().note_unreferenced(workspace, old.number, left == 0).await
}

/// What happens to a key stands in the workspace's audit log; what happens to the installation's, in each.
async fn note(store: &Store, workspace: WorkspaceId, action: &'static str, version: u32) -> Result<()> {
    if workspace == INSTALLATION {
        return record::tell_all(store, || Event::new(action).detail("key", "INSTALLATION").detail("version", version))
            .await;
    }
    let scope = reseal::scope(workspace);
    let tx = store.write(&scope).await?;
    audit::append(&scope, &tx, Event::new(action).detail("key", "WORKSPACE").detail("version", version)).await?;
    tx.commit().await
}
