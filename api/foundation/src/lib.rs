//! What every feature stands on.
//!
//! Reading order: [`error`], [`id`], [`clock`], [`scope`]; then [`store`] (the database and its transactions),
//! [`vault`] (keys), [`audit`] (the chain of what was done), [`jobs`] (what is still to do), [`blobs`] (files), [`backups`], [`keys`] (their rotation);
//! then [`identity`], [`workspaces`], [`plugins`], [`privacy`] and [`leaving`] (all of a workspace, taken elsewhere); [`detector`] stands for itself (personal data in a text).
//!
//! Invariants, as absences:
//! - Nothing here knows HTTP, GraphQL, a provider or a chat.
//! - No row is reachable without a [`scope::Scope`]; only authentication and the job runner make one.
//! - Nothing but [`clock`] reads the time, and nothing but [`id`] and [`vault`] makes randomness.
//! - No personal data stands in an error, a log line or a job.

pub mod alerts;
pub mod audit;
pub mod backups;
pub mod blobs;
pub mod clock;
pub mod detector;
pub mod error;
pub mod id;
pub mod identity;
pub mod jobs;
pub mod keys;
pub mod leaving;
pub mod plugins;
pub mod privacy;
pub mod scope;
pub mod store;
pub mod vault;
pub mod workspaces;

pub use clock::{Clock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use scope::{Actor, Permission, Scope};
