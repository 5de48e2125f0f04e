//! One entity per table of this crate.

pub mod accounts;
pub mod api_keys;
pub mod audit_checkpoints;
pub mod audit_details;
pub mod audit_entries;
pub mod audit_heads;
pub mod channel_addresses;
pub mod data_exports;
pub mod erasure_steps;
pub mod erasures;
pub mod jobs;
pub mod memberships;
pub mod plugin_settings;
pub mod recurring_duties;
pub mod restrictions;
pub mod sessions;
pub mod signing_keys;
pub mod subject_identifiers;
pub mod subject_merges;
pub mod subject_recipients;
pub mod subjects;
pub mod visitors;
pub mod workspaces;
