//! What the tests share: a plugin opened on the stand-in, requests, and streams read to their end.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_plugin_mistral::Mistral;
use consigne_sdk::{
    Capability, CapabilityKind, ChatModel, ChatRequest, CorrectionAim, CorrectionDelta, CorrectionRequest, Corrector,
    Egress, EmbedKind, Embedder, EmbeddingModel, Ephemeral, Fingerprint, Plugin, PluginError, PromptMessage,
    PromptRole, Result,
};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::standin::{Dialect, StandIn};

/// In every text here; must be in no error and no log.
pub const SECRET: &str = "Ada-Lovelace-0815";

/// A key, likewise.
pub const KEY: &str = "mk-geheim-4711";

pub async fn standin() -> StandIn {
    let standin = StandIn::start_as(Dialect::Mistral).await;
    standin.require_key(KEY);
    standin
}

/// The least settings for this stand-in, with `more` on top.
pub fn settings(standin: &StandIn, more: Value) -> Value {
    let mut settings = json!({ "baseUrl": standin.base_url(), "apiKey": KEY, "model": "mistral-small-latest" });
    settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    settings
}

pub async fn open(kind: CapabilityKind, settings: Value) -> Result<Capability> {
    let plugin = Mistral::new();
    let egress = Egress::new(plugin.manifest(), &settings)?;
    plugin.open(kind, settings, egress).await
}

pub async fn model(standin: &StandIn, more: Value) -> Arc<dyn ChatModel> {
    match open(CapabilityKind::ChatModel, settings(standin, more)).await.expect("usable settings") {
        Capability::ChatModel(model) => model,
        _ => panic!("a chat model was asked for"),
    }
}

pub async fn corrector(standin: &StandIn, more: Value) -> Arc<dyn Corrector> {
    match open(CapabilityKind::Corrector, settings(standin, more)).await.expect("usable settings") {
        Capability::Corrector(corrector) => corrector,
        _ => panic!("a corrector was asked for"),
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

pub fn correction(text: &str, aim: CorrectionAim) -> CorrectionRequest {
    CorrectionRequest {
        text: Ephemeral::new(text.to_owned()),
        aim,
        language: Some("en".into()),
        target: None,
        max_tokens: 400,
    }
}

/// The corrected text, its tokens, and the error at its end if there is one.
pub async fn corrected(
    corrector: &Arc<dyn Corrector>,
    asked: CorrectionRequest,
) -> (String, Option<(u32, u32)>, Option<PluginError>) {
    let (mut text, mut usage) = (String::new(), None);
    let mut pieces = match soon(corrector.correct(asked)).await {
        Ok(pieces) => pieces,
        Err(error) => return (text, usage, Some(error)),
    };
    while let Some(piece) = soon(pieces.next()).await {
        match piece {
            Ok(CorrectionDelta::Text(piece)) => text.push_str(piece.expose()),
            Ok(CorrectionDelta::Usage { input_tokens, output_tokens }) => usage = Some((input_tokens, output_tokens)),
            Err(error) => return (text, usage, Some(error)),
        }
    }
    (text, usage, None)
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
