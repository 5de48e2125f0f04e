//! Answers from Anthropic's Messages API.
//!
//! Source: Anthropic's published description of `POST /v1/messages` with streaming, and of `GET /v1/models`.
//!
//! Reading order: [`settings`], `declaration`, `request` (what is sent), `reply` (what comes back), `model` (the call from
//! end to end).
//!
//! Invariants, as absences:
//! - No prompt, answer or key is in an error or a log line; nothing of an error's words is taken over.
//! - "The knowledge does not answer" is never a string inside the text: it is a tool the model calls.
//! - No answer ends early in silence: a stream without `message_stop` is an error.

mod declaration;
mod model;
mod reply;
mod request;
pub mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{Capability, CapabilityKind, Egress, HostRule, Manifest, Plugin, Processing, Result};
use serde_json::Value;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "anthropic";

/// What it offers.
const OFFERED: [CapabilityKind; 1] = [CapabilityKind::ChatModel];

/// A chat model behind the Messages API.
pub struct Anthropic {
    manifest: Manifest,
}

impl Anthropic {
    /// The plugin; nothing is connected before [`Plugin::open`].
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "Anthropic",
            summary: "Writes answers with a language model of Anthropic, in the United States unless something else is \
                      declared.",
            capabilities: OFFERED.to_vec(),
            hosts: vec![HostRule::Exact(settings::HOST), HostRule::FromSetting("baseUrl")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for Anthropic {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Anthropic {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, settings: &Value) -> Processing {
        declaration::of(settings)
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let model = model::AnthropicModel::new(Settings::parse(settings)?, egress)?;
        Ok(Capability::ChatModel(Arc::new(model)))
    }
}
