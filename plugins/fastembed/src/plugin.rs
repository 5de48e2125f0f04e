//! The manifest, and the way in.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind,
    Processing, Purpose, Result,
};
use serde_json::Value;

use crate::{FastembedSettings, e5, embedder::LocalEmbedder, model::Model};

/// What the host decides for the whole installation.
#[derive(Debug, Clone)]
pub struct FastembedOptions {
    /// The folder that `make parts` fills.
    pub parts: PathBuf,
    /// ONNX Runtime, where it is to be another than the one in the parts folder.
    pub onnxruntime: Option<PathBuf>,
    /// Instances of the model at the most, each on a thread of its own: one is kept, the others come and go with the
    /// passages that wait. As many as there are cores is a good number. 0 counts as 1.
    pub workers: usize,
}

/// The plugin.
pub struct Fastembed {
    manifest: Manifest,
    options: FastembedOptions,
}

impl Fastembed {
    /// The plugin under these options. Reads nothing yet.
    pub fn new(options: FastembedOptions) -> Self {
        let manifest = Manifest {
            id: "fastembed",
            name: "fastembed",
            summary: "Turns questions and passages into vectors inside this installation.",
            capabilities: vec![CapabilityKind::Embedder],
            hosts: hosts(),
            settings_schema: Manifest::schema_of::<FastembedSettings>(),
        };
        Self { manifest, options }
    }
}

#[async_trait]
impl Plugin for Fastembed {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _settings: &Value) -> Processing {
        let categories = vec![DataCategory::Knowledge, DataCategory::Conversation];
        Processing::internal(categories, vec![Purpose::KnowledgeIndexing, Purpose::Answering])
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, _egress: Egress) -> Result<Capability> {
        let settings: FastembedSettings = serde_json::from_value(settings).map_err(|error| {
            PluginError::new(PluginErrorKind::Misconfigured, format!("settings of fastembed: {error}"))
        })?;
        let options = self.options.clone();
        let opened = tokio::task::spawn_blocking(move || open_model(&options, &settings)).await;
        let model = opened.map_err(|_| PluginError::new(PluginErrorKind::Internal, "opening the model panicked"))??;
        Ok(Capability::Embedder(Arc::new(LocalEmbedder::start(model, self.options.workers.max(1))?)))
    }
}

#[cfg(not(feature = "online"))]
pub(crate) fn hosts() -> Vec<HostRule> {
    Vec::new()
}

#[cfg(not(feature = "online"))]
fn open_model(options: &FastembedOptions, FastembedSettings {}: &FastembedSettings) -> Result<Model> {
    e5::open(&options.parts, options.onnxruntime.as_deref())
}

/// Where the hub's client connects, for the register; it does not go through the egress (see `hub`).
#[cfg(feature = "online")]
pub(crate) fn hosts() -> Vec<HostRule> {
    vec![HostRule::Exact("huggingface.co")]
}

#[cfg(feature = "online")]
fn open_model(options: &FastembedOptions, settings: &FastembedSettings) -> Result<Model> {
    let (parts, onnxruntime) = (&options.parts, options.onnxruntime.as_deref());
    match settings.model {
        Some(model) => crate::hub::open(parts, onnxruntime, model, settings.answer_threshold),
        None => e5::open(parts, onnxruntime),
    }
}
