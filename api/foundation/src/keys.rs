//! Rotation of keys: another version takes the place of one that served its time, everything is sealed or wrapped anew, and the
//! old one goes when nothing refers to it, in the data and in any backup.
//!
//! | key | after | what becomes of what it sealed |
//! |---|---|---|
//! | root | 365 days | the key store is rewrapped ([`root`]) |
//! | a workspace's, and the installation's own | 90 days | rows are sealed anew by the register ([`tables`]), files by whoever has them ([`SealedElsewhere`]), people's keys are rewrapped |
//! | signing | 90 days | what it signed stays valid ([`signing`](crate::identity::signing)) |
//! | of tags of addresses | a day | nothing: it is destroyed after thirty |
//!
//! Reading order: [`tables`], [`reseal`], [`turning`], [`root`], [`duty`], [`check`].
//!
//! Invariants, as absences:
//! - No version goes while something refers to it that anybody could want to read: a row, a file, a person's key, a backup.
//! - No look-up value changes.
//! - Nothing waits for a rotation: both versions open while it goes on.

pub mod check;
pub mod duty;
mod reseal;
pub mod root;
pub mod tables;
mod turning;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{
    check::refuse_missing_versions,
    duty::{KeyRotation, RootRotation},
    root::{RootReport, rotate_root},
};
use crate::{error::Result, scope::Scope};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long a version of a workspace's key seals.
pub const WORKSPACE_KEY_DAYS: u32 = 90;

/// How long a version of the root key wraps.
pub const ROOT_KEY_DAYS: u32 = 365;

/// Something outside the tables that is sealed under keys of workspaces.
#[async_trait]
pub trait SealedElsewhere: Send + Sync {
    /// Its name, for the log.
    fn name(&self) -> &'static str;

    /// Seals anew what this version of the workspace's key sealed. May be broken off and repeated.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` where something is not what was stored.
    async fn reseal(&self, scope: &Scope, version: u32) -> Result<()>;

    /// How much is sealed under this version.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self, scope: &Scope, version: u32) -> Result<u64>;
}
