//! `qdrant`: the vector index for size and for several gateways. Points live in a Qdrant server or cluster, which this
//! plugin reaches over gRPC.
//!
//! One collection for each embedding model holds the points of all workspaces; the workspace is the tenant key by which
//! the server lays out its storage and its graph. Qdrant itself knows no tenants and would answer a request without
//! the key from everybody's points, so no such request can be written here: see `tenant`.
//!
//! Reading order: [`settings`], `declaration`; `channel`, the connection; `tenant`, the only type that speaks to points;
//! `point`, `filter` and `query`, what it says; `collections`, how a collection is made; `purge`, how deleted bytes
//! leave the disk; `failure`; `index`, the capability made of these.
//!
//! Invariants, as absences:
//! - No request about points leaves this process without the workspace: each is made by a `Tenant`, from a `Partition`.
//! - No word reaches the server: ids, numbers and language codes only.
//! - Nothing is reported deleted that the server did not say it deleted and did not count as gone.
//! - No connection but through the egress; no message of the server, who may quote what it was sent, in an error.

mod channel;
mod collections;
mod declaration;
mod failure;
mod filter;
mod index;
mod point;
mod purge;
mod query;
pub mod settings;
mod tenant;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{Capability, CapabilityKind, Egress, HostRule, Manifest, Plugin, Processing, Result};
use serde_json::Value;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "qdrant";

/// A vector index in a Qdrant server.
pub struct Qdrant {
    manifest: Manifest,
}

impl Qdrant {
    /// The plugin; nothing is connected before the first call to what [`Plugin::open`] gives.
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "Qdrant",
            summary: "Finds the nearest passages in a Qdrant server or cluster.",
            capabilities: vec![CapabilityKind::VectorIndex],
            hosts: vec![HostRule::FromSetting("url")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for Qdrant {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Qdrant {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, settings: &Value) -> Processing {
        declaration::of(settings)
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let index = index::QdrantIndex::open(Settings::parse(settings)?, egress)?;
        Ok(Capability::VectorIndex(Arc::new(index)))
    }
}
