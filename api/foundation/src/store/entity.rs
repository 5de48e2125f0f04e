//! One entity per table of this crate.

pub mod accounts;
pub mod api_keys;
pub mod audit_checkpoints;
pub mod audit_details;
pub mod audit_entries;
pub mod audit_heads;
pub mod channel_addresses;
pub mod consent_texts;
pub mod consents;
pub mod erasure_steps;
pub mod erasures;
pub mod instructions;
pub mod jobs;
pub mod memberships;
pub mod objections;
pub mod plugin_settings;
pub mod recurring_duties;
pub mod sessions;
pub mod signing_keys;
pub mod subjects;
pub mod visitors;
pub mod workspaces;
