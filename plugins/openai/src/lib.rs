//! Answers from any server that speaks OpenAI's chat-completions protocol: Ollama, vLLM, llama.cpp, OpenAI itself.
//!
//! Which server that is, and so who processes the visitor's words and where, is a setting: the plugin's declaration is
//! made from what the administrator states and says "undeclared" wherever nothing was stated.
//!
//! Reading order: [`settings`], `declaration`, `request` (what is sent), `model` (the call from end to end). What comes back
//! is read by [`consigne_sdk::model_server`].
//!
//! Invariants, as absences:
//! - No prompt, answer or key is in an error or a log line; nothing of an error's body is even read.
//! - "The knowledge does not answer" is never a string inside the text: it is a function the model calls.
//! - No answer ends early in silence: a stream without an explicit end is an error.
//! - Nothing is repeated once a piece of the answer was handed on.

mod declaration;
mod model;
mod request;
pub mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{Capability, CapabilityKind, Egress, HostRule, Manifest, Plugin, Processing, Result};
use serde_json::Value;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "openai";

/// A chat model behind OpenAI's chat-completions protocol.
pub struct OpenAi {
    manifest: Manifest,
}

impl OpenAi {
    /// The plugin; nothing is connected before [`Plugin::open`].
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "OpenAI-compatible server",
            summary: "Writes answers with a language model behind the chat-completions protocol: Ollama, vLLM, \
                      llama.cpp, OpenAI and others.",
            capabilities: vec![CapabilityKind::ChatModel],
            hosts: vec![HostRule::FromSetting("baseUrl")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for OpenAi {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for OpenAi {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, settings: &Value) -> Processing {
        declaration::of(settings)
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let model = model::OpenAiModel::new(Settings::parse(settings)?, egress)?;
        Ok(Capability::ChatModel(Arc::new(model)))
    }
}
