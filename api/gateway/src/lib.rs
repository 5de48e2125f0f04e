//! The gateway: what a client, an operator and a test reach.
//!
//! Reading order: [`config`] (what can be set), [`app`] (everything built from a config; the binary and the tests start
//! here), [`plugins`] (the compiled-in list), [`graphql`] (the contract), [`http`] (how it is spoken), [`worker`],
//! [`telemetry`], [`commands`] (what `consigne` does beside serving).
//!
//! Invariants, as absences:
//! - Nothing but [`config`] reads the environment.
//! - No resolver, route or command touches a table; they call the features with a scope.

pub mod app;
pub mod commands;
pub mod config;
pub mod graphql;
pub mod http;
pub mod plugins;
pub mod telemetry;
pub mod worker;

pub use consigne_foundation::{Clock, Timestamp, privacy::Purpose};
/// What a plugin is, for those that a test adds.
pub use consigne_sdk as sdk;
