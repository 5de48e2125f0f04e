//! Plugins that answer nothing and count how often they were opened.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use consigne_sdk::*;
use serde_json::{Value, json};

/// What is compiled in here: the three of every installation, a second index, a reranker, and one that goes out.
pub(crate) fn all(opened: &Arc<AtomicUsize>) -> Vec<Arc<dyn Plugin>> {
    vec![
        internal("fastembed", CapabilityKind::Embedder),
        internal("flat", CapabilityKind::VectorIndex),
        internal("other-index", CapabilityKind::VectorIndex),
        internal("by-length", CapabilityKind::Reranker),
        internal("extractive", CapabilityKind::ChatModel),
        chatty(opened),
    ]
}

/// A product that speaks to somebody, or to nobody.
struct Fake {
    manifest: Manifest,
    is_internal: bool,
    opened: Arc<AtomicUsize>,
}

struct Model(String);

struct ByLength;

#[async_trait]
impl Reranker for ByLength {
    fn model_name(&self) -> &str {
        "by-length"
    }

    async fn scores(&self, _: &str, passages: Vec<String>) -> Result<Vec<f32>> {
        Ok(passages.iter().map(|passage| passage.len() as f32).collect())
    }
}

#[async_trait]
impl ChatModel for Model {
    fn model_name(&self) -> &str {
        &self.0
    }

    async fn answer(&self, _: ChatRequest) -> Result<ChatStream> {
        Err(PluginError::new(PluginErrorKind::Unavailable, "a fake answers nothing"))
    }

    async fn say(&self, _: Vec<PromptMessage>, _: u32) -> Result<Option<String>> {
        Ok(None)
    }
}

struct Vectors(EmbeddingModel);

#[async_trait]
impl Embedder for Vectors {
    fn model(&self) -> &EmbeddingModel {
        &self.0
    }

    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    async fn embed(&self, _: EmbedKind, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|_| vec![1.0]).collect())
    }

    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        Ok(texts.iter().map(String::len).collect())
    }
}

struct Index;

#[async_trait]
impl VectorIndex for Index {
    fn residency(&self) -> Residency {
        Residency::Memory
    }
    async fn version(&self, _: &Partition) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn apply(&self, _: &Partition, _: Vec<Point>, _: &[uuid::Uuid], _: i64) -> Result<()> {
        Ok(())
    }
    async fn search(&self, _: &Partition, _: &IndexQuery) -> Result<Vec<Hit>> {
        Ok(Vec::new())
    }
    async fn purge(&self, _: &Partition) -> Result<()> {
        Ok(())
    }
    async fn passages(&self, _: &Partition) -> Result<Vec<uuid::Uuid>> {
        Ok(vec![])
    }
    async fn remove_document(&self, _: &Partition, _: uuid::Uuid) -> Result<u64> {
        Ok(0)
    }
    async fn count(&self, _: &Partition) -> Result<u64> {
        Ok(0)
    }
    async fn drop_partition(&self, _: &Partition) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Plugin for Fake {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, settings: &Value) -> Processing {
        let internal = Processing::internal(vec![DataCategory::Conversation], vec![Purpose::Answering]);
        if self.is_internal {
            return internal;
        }
        let region = if settings["isInEurope"] == true { Region::Eea } else { Region::Undeclared };
        Processing { role: ProcessorRole::SubProcessor, operator: "Chatty Inc.".to_owned(), region, ..internal }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, _: Egress) -> Result<Capability> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        Ok(match capability {
            CapabilityKind::ChatModel => {
                let model = settings["model"].as_str().unwrap_or(self.manifest.id);
                Capability::ChatModel(Arc::new(Model(model.to_owned())))
            }
            CapabilityKind::Embedder => Capability::Embedder(Arc::new(Vectors(EmbeddingModel {
                name: "fake".to_owned(),
                fingerprint: Fingerprint([0; 32]),
                dimensions: 1,
                max_tokens: 1,
                answer_threshold: 0.5,
            }))),
            CapabilityKind::VectorIndex => Capability::VectorIndex(Arc::new(Index)),
            CapabilityKind::Reranker => Capability::Reranker(Arc::new(ByLength)),
            CapabilityKind::PageFetcher
            | CapabilityKind::Channel
            | CapabilityKind::Corrector
            | CapabilityKind::Mailer
            | CapabilityKind::Mailbox
            | CapabilityKind::AuditSink => {
                return Err(PluginError::new(PluginErrorKind::Misconfigured, "a fake is none of these"));
            }
        })
    }
}

fn internal(id: &'static str, capability: CapabilityKind) -> Arc<dyn Plugin> {
    let settings_schema = json!({ "type": "object", "additionalProperties": false });
    let manifest =
        Manifest { id, name: id, summary: "", capabilities: vec![capability], hosts: vec![], settings_schema };
    Arc::new(Fake { manifest, is_internal: true, opened: Arc::default() })
}

/// A chat model of another party.
pub(crate) fn chatty(opened: &Arc<AtomicUsize>) -> Arc<dyn Plugin> {
    let settings_schema = json!({
        "type": "object",
        "required": ["baseUrl", "apiKey"],
        "additionalProperties": false,
        "properties": {
            "baseUrl": { "type": "string" },
            "apiKey": { "type": "string", "minLength": 8 },
            "model": { "type": "string" },
            "isInEurope": { "type": "boolean" },
        },
    });
    let hosts = vec![HostRule::FromSetting("baseUrl"), HostRule::Exact("status.chatty.example")];
    let manifest = Manifest {
        id: "chatty",
        name: "Chatty",
        summary: "",
        capabilities: vec![CapabilityKind::ChatModel],
        hosts,
        settings_schema,
    };
    Arc::new(Fake { manifest, is_internal: false, opened: opened.clone() })
}
