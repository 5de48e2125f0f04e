//! The index through the plugin's own door: on a strict stand-in always, on a real server where `QDRANT_URL` names one.

mod bytes;
mod conformance;
mod failures;
mod latency;
mod purge;
mod settings;
mod tenants;
mod tls;
mod world;
