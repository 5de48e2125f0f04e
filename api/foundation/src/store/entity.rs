//! One entity per table of this crate.

pub mod account_tickets;
pub mod accounts;
pub mod api_keys;
pub mod audit_checkpoints;
pub mod audit_details;
pub mod audit_entries;
pub mod audit_heads;
pub mod channel_addresses;
pub mod erasure_steps;
pub mod erasures;
pub mod invitations;
pub mod ip_tag_keys;
pub mod jobs;
pub mod memberships;
pub mod plugin_settings;
pub mod recovery_codes;
pub mod recurring_duties;
pub mod second_factors;
pub mod sessions;
pub mod signing_keys;
pub mod subjects;
pub mod tries;
pub mod visitor_identities;
pub mod visitor_signing_keys;
pub mod visitors;
pub mod workspaces;
