//! The root key from one version to the next: the key store is rewrapped, its backup is written anew, and the old one is
//! destroyed where nothing refers to it.

use crate::{
    audit::Event,
    backups::{Backups, record},
    error::Result,
    store::Store,
    vault::{Retired, RootTurn, RootVersion},
};

/// What was done about the root key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RootReport {
    /// The version that wraps from now on, or from a later day on.
    pub next: Option<(RootVersion, crate::Timestamp)>,
    /// What a person has to do, where nothing could be made.
    pub by_hand: Option<&'static str>,
    /// Keys that were wrapped anew.
    pub rewrapped: u64,
    /// Versions that nobody can use again.
    pub destroyed: Vec<u32>,
    /// Versions that are still there, and what a person can do about it.
    pub left: Vec<(u32, &'static str)>,
}

/// Another root key, at once, and all that follows from it. What was broken off before is gone on with.
///
/// # Errors
/// `Unavailable`; `Misconfigured`. May be repeated.
pub async fn rotate_root(store: &Store, backups: &Backups) -> Result<RootReport> {
    let mut report = begin(store, true).await?;
    if report.by_hand.is_none() {
        finish(store, backups, &mut report).await?;
    }
    Ok(report)
}

/// Makes another version where the provider can.
pub(super) async fn begin(store: &Store, at_once: bool) -> Result<RootReport> {
    let known = store.vault().roots().await?.len();
    match store.vault().turn_root(at_once).await? {
        RootTurn::ByHand(how) => Ok(RootReport { by_hand: Some(how), ..RootReport::default() }),
        RootTurn::New(version, begins_at) => {
            if store.vault().roots().await?.len() > known {
                let number = version.number;
                tracing::warn!(version = number, begins_at = begins_at.rfc3339(), "there is a new root key");
                record::tell_all(store, || Event::new("key.rotated").detail("key", "ROOT").detail("version", number))
                    .await?;
            }
            Ok(RootReport { next: Some((version, begins_at)), ..RootReport::default() })
        }
    }
}

/// Rewraps what is wrapped by another version than the one in use, and destroys what nothing refers to.
pub(super) async fn finish(store: &Store, backups: &Backups, report: &mut RootReport) -> Result<()> {
    let vault = store.vault();
    report.rewrapped = vault.rewrap_by_root().await?;
    let retired = vault.retire_roots().await?;
    if retired.is_empty() {
        return Ok(());
    }
    // The backup of the key store is wrapped by the old one until it is written again.
    backups.back_up_keys().await?;
    for version in retired {
        let number = version.number;
        match vault.destroy_root(&version).await? {
            Retired::Destroyed => {
                report.destroyed.push(number);
                tracing::warn!(version = number, "an old root key was destroyed");
                record::tell_all(store, || Event::new("key.removed").detail("key", "ROOT").detail("version", number))
                    .await?;
            }
            Retired::Left(why) => report.left.push((number, why)),
        }
    }
    Ok(())
}
