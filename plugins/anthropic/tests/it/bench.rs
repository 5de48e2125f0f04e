//! What the tests share: a plugin opened on the stand-in, requests, and streams read to their end.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_plugin_anthropic::Anthropic;
use consigne_sdk::{
    Capability, CapabilityKind, ChatModel, ChatRequest, Egress, EmbedKind, Embedder, EmbeddingModel, Fingerprint,
    Plugin, PromptMessage, PromptRole, Result,
};
use serde_json::{Value, json};

use crate::standin::{Dialect, StandIn};

/// In every text here; must be in no error and no log.
pub const SECRET: &str = "Ada-Lovelace-0815";

/// A key, likewise.
pub const KEY: &str = "mk-geheim-4711";

pub async fn standin() -> StandIn {
    let standin = StandIn::start_as(Dialect::Anthropic).await;
    standin.require_key(KEY);
    standin
}

/// The least settings for this stand-in, with `more` on top.
pub fn settings(standin: &StandIn, more: Value) -> Value {
    let mut settings = json!({ "baseUrl": standin.base_url(), "apiKey": KEY, "model": "claude-sonnet-4-5" });
    settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    settings
}

pub async fn open(kind: CapabilityKind, settings: Value) -> Result<Capability> {
    let plugin = Anthropic::new();
    let egress = Egress::new(plugin.manifest(), &settings)?;
    plugin.open(kind, settings, egress).await
}

pub async fn model(standin: &StandIn, more: Value) -> Arc<dyn ChatModel> {
    match open(CapabilityKind::ChatModel, settings(standin, more)).await.expect("usable settings") {
        Capability::ChatModel(model) => model,
        _ => panic!("a chat model was asked for"),
    }
}

/// A question with its prompt. `passage` stands in the prompt after the marker `[1]`.
pub fn question(passage: Option<&str>) -> ChatRequest {
    let text = passage.map(|text| format!("\n[1] Handbook\n{text}")).unwrap_or_default();
    let turn = |role, content: &str| PromptMessage { role, content: content.to_owned() };
    ChatRequest {
        messages: vec![
            turn(PromptRole::System, &format!("Answer from the passages.{text}")),
            turn(PromptRole::User, &format!("I am {SECRET}. How long?")),
        ],
        question: "How long?".into(),
        language: Some("en".into()),
        passages: Vec::new(),
        max_tokens: 300,
        answer_threshold: 0.8,
        embedder: Arc::new(NoEmbedder),
    }
}

/// A time-out around what should not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}

struct NoEmbedder;

#[async_trait]
impl Embedder for NoEmbedder {
    fn model(&self) -> &EmbeddingModel {
        static MODEL: EmbeddingModel = EmbeddingModel {
            name: String::new(),
            fingerprint: Fingerprint([0; 32]),
            dimensions: 0,
            max_tokens: 0,
            answer_threshold: 0.0,
        };
        &MODEL
    }

    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    async fn embed(&self, _: EmbedKind, _: Vec<String>) -> Result<Vec<Vec<f32>>> {
        Ok(Vec::new())
    }

    async fn count_tokens(&self, _: Vec<String>) -> Result<Vec<usize>> {
        Ok(Vec::new())
    }
}
