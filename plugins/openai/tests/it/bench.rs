//! What the tests share: a plugin opened on the stand-in, a request, and an answer read to its end.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_plugin_openai::OpenAi;
use consigne_sdk::{
    Capability, CapabilityKind, ChatDelta, ChatModel, ChatRequest, ChatStream, Egress, EmbedKind, Embedder,
    EmbeddingModel, Fingerprint, Plugin, PluginError, PromptMessage, PromptPassage, PromptRole, Result,
};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::standin::StandIn;

/// In every prompt and every answer here; must be in no error and no log.
pub const SECRET: &str = "Ada-Lovelace-0815";

/// A key, likewise.
pub const KEY: &str = "sk-geheim-4711";

/// The least settings for this stand-in, with `more` on top.
pub fn settings(standin: &StandIn, more: Value) -> Value {
    let mut settings = json!({ "baseUrl": standin.base_url(), "model": "tiny" });
    let fields = settings.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    settings
}

/// The plugin, opened.
pub async fn open(settings: Value) -> Result<Arc<dyn ChatModel>> {
    let plugin = OpenAi::new();
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::ChatModel, settings, egress).await? {
        Capability::ChatModel(model) => Ok(model),
        _ => panic!("the manifest says chat model"),
    }
}

/// The plugin on the stand-in with the least settings.
pub async fn model(standin: &StandIn) -> Arc<dyn ChatModel> {
    open(settings(standin, json!({}))).await.expect("usable settings")
}

/// A question with its prompt. `passage` stands in the prompt after the marker `[1]`.
pub fn request(passage: Option<&str>) -> ChatRequest {
    let text = passage.map(|text| format!("\n[1] Handbook\n{text}")).unwrap_or_default();
    let turn = |role, content: &str| PromptMessage { role, content: content.to_owned() };
    ChatRequest {
        messages: vec![
            turn(PromptRole::System, &format!("Answer from the passages.{text}")),
            turn(PromptRole::User, "Hello"),
            turn(PromptRole::Assistant, "Hello, what can I do?"),
            turn(PromptRole::User, &format!("I am {SECRET}. How long?")),
        ],
        question: "How long?".into(),
        language: Some("en".into()),
        passages: vec![PromptPassage {
            index: 1,
            title: "Handbook".into(),
            text: passage.unwrap_or_default().into(),
            language: None,
            score: 0.9,
        }],
        max_tokens: 300,
        answer_threshold: 0.8,
        embedder: Arc::new(NoEmbedder),
    }
}

/// Asks, within a bound, so that a hanging test fails by itself.
pub async fn ask(model: &Arc<dyn ChatModel>) -> Result<ChatStream> {
    soon(model.answer(request(None))).await
}

/// All that comes of an answer: its pieces, and the error at its end if there is one.
pub async fn rest(mut answer: ChatStream) -> (Vec<ChatDelta>, Option<PluginError>) {
    let mut deltas = Vec::new();
    loop {
        match soon(answer.next()).await {
            Some(Ok(delta)) => deltas.push(delta),
            Some(Err(error)) => return (deltas, Some(error)),
            None => return (deltas, None),
        }
    }
}

/// The pieces of a complete answer.
pub async fn answer(model: &Arc<dyn ChatModel>) -> Vec<ChatDelta> {
    let (deltas, error) = rest(ask(model).await.expect("an answer")).await;
    assert!(error.is_none(), "{error:?}");
    deltas
}

/// The error of an answer that never began.
pub async fn failure(model: &Arc<dyn ChatModel>) -> PluginError {
    ask(model).await.err().expect("no answer")
}

/// The text of an answer.
pub fn text(deltas: &[ChatDelta]) -> String {
    let texts = deltas.iter().filter_map(|delta| match delta {
        ChatDelta::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
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
