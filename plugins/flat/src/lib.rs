//! `flat`: the embedded vector index. An exact scan in memory, the default of an installation without a vector server.
//!
//! Reading order: `code`, one vector as bytes and how far the bytes can be off; `postings`, which rows have a term;
//! `known_facts`, what rows can be filtered by; `rows`, the points of one partition, put, removed and overwritten;
//! `scan`, the search over them, exact by construction; `shelf`, which partitions are in memory and which goes first;
//! `index`, the capability made of these.
//!
//! Invariants, as absences:
//! - No passage is missed: the scan of the first bytes only decides which vectors need not be looked at, by a proven bound.
//! - No search sees half a change: rows change under a write lock, after everything that could fail was checked.
//! - No removed vector stays in this index's memory: its place is overwritten, also when a whole partition goes.
//! - No partition is silently half: after an eviction nothing but a fresh fill is accepted.

mod code;
mod index;
mod known_facts;
mod postings;
mod rows;
mod scan;
mod shelf;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, Manifest, Plugin, PluginError, PluginErrorKind, Processing,
    Purpose, Result,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use index::FlatIndex;

/// Memory for vectors where nothing else is configured: 512 MiB, about 300,000 passages of 384 numbers and 80 terms.
pub const DEFAULT_MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// What the installation decides about the index.
#[derive(Debug, Clone)]
pub struct FlatOptions {
    /// Most bytes that the vectors of all partitions may take together. Beyond it the partition that was not used for
    /// longest is forgotten, and filled again by the host when it is needed.
    pub memory_bytes: usize,
}

impl Default for FlatOptions {
    fn default() -> Self {
        Self { memory_bytes: DEFAULT_MEMORY_BYTES }
    }
}

/// The settings a workspace can make: none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FlatSettings {}

/// The plugin. However often it is opened, there is one index and one memory budget.
pub struct Flat {
    manifest: Manifest,
    index: Arc<FlatIndex>,
}

impl Flat {
    /// An empty index under these options.
    pub fn new(options: FlatOptions) -> Self {
        Self {
            manifest: Manifest {
                id: "flat",
                name: "Flat",
                summary: "Finds the nearest passages by an exact scan in this process's memory.",
                capabilities: vec![CapabilityKind::VectorIndex],
                hosts: Vec::new(),
                settings_schema: Manifest::schema_of::<FlatSettings>(),
            },
            index: Arc::new(FlatIndex::new(options.memory_bytes)),
        }
    }
}

#[async_trait]
impl Plugin for Flat {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _settings: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Vectors], vec![Purpose::KnowledgeIndexing, Purpose::Answering])
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, _egress: Egress) -> Result<Capability> {
        let fits = settings.is_null() || (settings.is_object() && FlatSettings::deserialize(settings).is_ok());
        if !fits {
            return Err(PluginError::new(PluginErrorKind::Misconfigured, "flat takes no settings"));
        }
        Ok(Capability::VectorIndex(self.index.clone()))
    }
}
