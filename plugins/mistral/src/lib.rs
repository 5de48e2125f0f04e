//! Answers and corrections from Mistral's API, the endpoint in the European Union unless the administrator says otherwise.
//!
//! Source: Mistral's published description of `POST /v1/chat/completions` and `GET /v1/models`. It knows no field that asks for
//! nothing to be kept: zero retention is agreed with Mistral for the whole account, and stated in the settings.
//!
//! Reading order: [`settings`], `declaration`, `request` (what is sent), `client` (one call from end to end), then `model`
//! and `corrector`. What comes back is read by [`consigne_sdk::model_server`].
//!
//! Invariants, as absences:
//! - No prompt, text, answer or key is in an error or a log line; nothing of an error's body is even read.
//! - No text that is corrected is kept: request and pieces are wiped where this side owns them.
//! - Nothing but the standing instructions and the text goes into a correction: no id, no name, no history.

mod client;
mod corrector;
mod declaration;
mod model;
mod request;
pub mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind, Processing, Result,
};
use serde_json::Value;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "mistral";

/// What it offers.
const OFFERED: [CapabilityKind; 2] = [CapabilityKind::ChatModel, CapabilityKind::Corrector];

/// A chat model and a corrector behind Mistral's API.
pub struct Mistral {
    manifest: Manifest,
}

impl Mistral {
    /// The plugin; nothing is connected before [`Plugin::open`].
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "Mistral",
            summary: "Writes answers and corrects texts with a language model of Mistral AI, in the European Union unless \
                      another endpoint is set.",
            capabilities: OFFERED.to_vec(),
            hosts: vec![HostRule::Exact(settings::EU_HOST), HostRule::FromSetting("baseUrl")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for Mistral {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Mistral {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, settings: &Value) -> Processing {
        declaration::of(settings)
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let client = client::Client::new(Settings::parse(settings)?, egress)?;
        match capability {
            CapabilityKind::ChatModel => Ok(Capability::ChatModel(Arc::new(model::MistralModel(client)))),
            CapabilityKind::Corrector => Ok(Capability::Corrector(Arc::new(corrector::MistralCorrector(client)))),
            _ => Err(PluginError::new(PluginErrorKind::Misconfigured, "mistral answers and corrects, nothing else")),
        }
    }
}
