//! The plugin itself: a manifest, and a way to open each capability it offers.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    CapabilityKind, Channel, ChatModel, Corrector, Egress, Embedder, Manifest, PageFetcher, Processing, Reranker,
    Result, VectorIndex,
};

/// A product behind one capability, or a few under the same settings. Registered by name in the gateway's list; never discovered.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// What this plugin is, what it may reach and which settings it takes.
    fn manifest(&self) -> &Manifest;

    /// The processing declaration that holds under `settings`. A product that a customer hosts says other things
    /// about place and retention than the same product hosted by its maker.
    fn processing(&self, settings: &Value) -> Processing;

    /// Opens a capability that the manifest names, under `settings`, which were checked against its schema before.
    ///
    /// # Errors
    /// `Misconfigured` where the settings cannot work or it does not offer the capability, `Unavailable` where a needed
    /// part is missing.
    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability>;
}

/// What an opened plugin can do.
#[derive(Clone)]
pub enum Capability {
    /// Turns text into vectors.
    Embedder(Arc<dyn Embedder>),
    /// Finds the nearest vectors of one workspace.
    VectorIndex(Arc<dyn VectorIndex>),
    /// Puts found passages into a better order.
    Reranker(Arc<dyn Reranker>),
    /// Answers a question from passages.
    ChatModel(Arc<dyn ChatModel>),
    /// Fetches pages of websites that customers name.
    PageFetcher(Arc<dyn PageFetcher>),
    /// Tells people that a visitor needs one of them, and brings back what they say.
    Channel(Arc<dyn Channel>),
    /// Corrects texts without keeping any.
    Corrector(Arc<dyn Corrector>),
}
