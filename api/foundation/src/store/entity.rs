//! One entity per table of this crate.

pub mod accounts;
pub mod api_keys;
pub mod audit_checkpoints;
pub mod audit_details;
pub mod audit_entries;
pub mod audit_heads;
pub mod backups;
pub mod channel_addresses;
pub mod erasure_steps;
pub mod erasures;
pub mod holds;
pub mod jobs;
pub mod memberships;
pub mod plugin_settings;
pub mod recurring_duties;
pub mod restore_drills;
pub mod retention_policies;
pub mod sessions;
pub mod signing_keys;
pub mod subjects;
pub mod visitors;
pub mod workspaces;
