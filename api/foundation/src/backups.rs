//! Backups that cannot bring anybody back: every row of every table, the files, and where the erasure ledger stood; encrypted for
//! whoever holds the identity, kept thirty days.
//!
//! Keys are not in it. The key store lies beside the backups as one current file ([`keys`]), so a backup of the day before an
//! erasure holds the person's rows, and nothing that opens them. A restore replays the ledger before anything answers.
//!
//! Reading order: [`target`] (what lies where), [`crypt`]; [`catalogue`], [`rows`], [`dump`], [`digest`] (tables as lines, the
//! same from SQLite and Postgres); [`files`], [`keys`], [`ledger`]; [`manifest`], [`make`], [`prune`], [`record`]; then
//! [`restore`], [`drill`] and [`duty`].
//!
//! Invariants, as absences:
//! - No plain row leaves this process, and no backup is whole in its memory.
//! - No backup holds a key.
//! - No backup is taken for whole without its manifest, and no manifest without this installation's mac.
//! - No restore writes over anything.

pub(crate) mod catalogue;
pub mod crypt;
mod digest;
pub mod drill;
mod dump;
pub mod duty;
mod files;
mod keys;
mod ledger;
pub(crate) mod make;
pub mod manifest;
mod prune;
pub mod record;
pub mod restore;
pub(crate) mod rows;
pub mod target;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    crypt::{Identity, Recipients},
    digest::TableDigest,
    drill::{Migrate, UpTo},
    duty::{BackupDuty, BackupMeter, RestoreDrill},
    manifest::Manifest,
    prune::Sweep,
    record::{Backup, BackupState, Drill},
    target::{Target, TargetSettings},
};
use crate::{blobs::Blobs, store::Store, vault::Provider};

/// How backups are made here.
#[derive(Clone)]
pub struct BackupOptions {
    /// Where they are kept.
    pub target: Target,
    /// Who can open them.
    pub recipients: Recipients,
    /// How long each is kept.
    pub keep: Duration,
    /// Who keeps the root key: a drill opens what it restored.
    pub keys: Provider,
    /// Where the identity is, if it is on this machine: a drill needs it, a backup does not.
    pub identity_file: PathBuf,
}

/// Backups of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Backups(Arc<Inner>);

struct Inner {
    store: Store,
    blobs: Blobs,
    options: BackupOptions,
}

impl Backups {
    /// Backups of this store and these files.
    pub fn new(store: Store, blobs: Blobs, options: BackupOptions) -> Self {
        Self(Arc::new(Inner { store, blobs, options }))
    }

    /// Where they are kept.
    pub fn target(&self) -> &Target {
        &self.0.options.target
    }

    /// Where the identity would be, if it is on this machine.
    pub fn identity_file(&self) -> &PathBuf {
        &self.0.options.identity_file
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    fn options(&self) -> &BackupOptions {
        &self.0.options
    }
}
