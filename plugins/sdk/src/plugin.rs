//! The plugin itself: a manifest, and a way to open its one capability.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{ChatModel, Egress, Embedder, Manifest, PageFetcher, Processing, Result, VectorIndex};

/// A product behind one capability. Registered by name in the gateway's list; never discovered.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// What this plugin is, what it may reach and which settings it takes.
    fn manifest(&self) -> &Manifest;

    /// The processing declaration that holds under `settings`. A product that a customer hosts says other things
    /// about place and retention than the same product hosted by its maker.
    fn processing(&self, settings: &Value) -> Processing;

    /// Opens the capability under `settings`, which were checked against the manifest's schema before.
    ///
    /// # Errors
    /// `Misconfigured` where the settings cannot work, `Unavailable` where a needed part is missing.
    async fn open(&self, settings: Value, egress: Egress) -> Result<Capability>;
}

/// What an opened plugin can do.
#[derive(Clone)]
pub enum Capability {
    /// Turns text into vectors.
    Embedder(Arc<dyn Embedder>),
    /// Finds the nearest vectors of one workspace.
    VectorIndex(Arc<dyn VectorIndex>),
    /// Answers a question from passages.
    ChatModel(Arc<dyn ChatModel>),
    /// Fetches pages of websites that customers name.
    PageFetcher(Arc<dyn PageFetcher>),
}
