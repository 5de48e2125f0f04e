//! Slack: one thread per escalation, whose replies and buttons come back.
//!
//! The Web API posts, the Events API and interactivity bring back. A message carries the key of its delivery as
//! metadata, so that whether an attempt got through can be looked up instead of guessed. The app needs the scopes
//! `chat:write`, and `channels:history` (or `groups:history` in a private channel) to look, and subscribes to
//! `message.channels` (or `message.groups`).
//!
//! Reading order: [`settings`], `text` (Slack's markup, both ways), `blocks` (what is posted), `api` and `failure` (one
//! call), `channel` (one delivery), `signature` and `inbound` (what comes back).
//!
//! Invariants, as absences:
//! - No token, no text and no name is in an error or a log line: of a refusal its documented code is kept, nothing else.
//! - Nothing that a visitor wrote mentions anybody or becomes a link with another label.
//! - Nothing is taken from a request that Slack did not sign in the last five minutes.

mod api;
mod blocks;
mod channel;
mod failure;
mod inbound;
pub mod settings;
mod signature;
mod text;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind,
    Processing, ProcessorRole, Purpose, Region, Result, Retention, Safeguard,
};
use serde_json::Value;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "slack";

/// Tells people in a channel of Slack.
pub struct Slack {
    manifest: Manifest,
}

impl Slack {
    /// The plugin; nobody is connected to before something is delivered.
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "Slack",
            summary: "Opens a thread in a channel of Slack when a visitor needs a person, and brings replies back.",
            capabilities: vec![CapabilityKind::Channel],
            hosts: vec![HostRule::Exact("slack.com"), HostRule::FromSetting("apiBaseUrl")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for Slack {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Slack {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Slack keeps messages in the United States unless the customer bought another region, and for as long as the
    /// customer's own retention says: what is stated wins.
    fn processing(&self, settings: &Value) -> Processing {
        let declared = serde_json::from_value::<Settings>(settings.clone()).ok();
        let declared = declared.as_ref();
        Processing {
            role: ProcessorRole::SubProcessor,
            operator: "Slack Technologies Limited (Salesforce)".to_owned(),
            region: declared
                .and_then(|s| s.region.as_deref())
                .map_or_else(|| Region::Country("US".to_owned()), Region::of_code),
            safeguard: declared.and_then(|s| s.safeguard).unwrap_or(Safeguard::Undeclared),
            categories: vec![DataCategory::Conversation],
            purposes: vec![Purpose::Escalation],
            retention: declared.and_then(|s| s.retention_days).map_or(Retention::Undeclared, Retention::Days),
        }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        if capability != CapabilityKind::Channel {
            return Err(PluginError::new(PluginErrorKind::Misconfigured, format!("{ID} is a channel alone")));
        }
        Ok(Capability::Channel(Arc::new(channel::SlackChannel::new(Settings::parse(settings)?, egress)?)))
    }
}
