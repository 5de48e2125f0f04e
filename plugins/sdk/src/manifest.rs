//! The manifest: a plugin's public facts, as data.

use std::net::SocketAddr;

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::Value;

/// Which capability a plugin offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapabilityKind {
    /// Turns text into vectors.
    Embedder,
    /// Finds the nearest vectors of one workspace.
    VectorIndex,
    /// Puts found passages into a better order.
    Reranker,
    /// Answers a question from passages.
    ChatModel,
    /// Fetches pages of websites that customers name.
    PageFetcher,
    /// Tells people that a visitor needs one of them, and brings back what they say.
    Channel,
    /// Corrects texts without keeping any.
    Corrector,
    /// Sends mail to one person.
    Mailer,
    /// Fetches what people write about their data.
    Mailbox,
    /// Takes a workspace's audit log as it grows.
    AuditSink,
}

/// A host that a plugin may reach. Anything else is refused by [`crate::Egress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HostRule {
    /// Exactly this host name, over https.
    Exact(&'static str),
    /// The host of the URL in this setting: of http, or of a mail server ([`crate::egress::server`]). Plain text is allowed on loopback only, or where the boolean setting
    /// `allowPlainHttp` (or `allowPlainText`) says so.
    FromSetting(&'static str),
    /// Exactly this address and port, written as such in a URL, over plain http too: what an operator lets through for
    /// development though it is inside.
    Address(SocketAddr),
    /// Any host whose addresses are on the public internet, over https: for a plugin whose hosts customers name. Where a
    /// manifest says so, every name that the plugin reaches has to have public addresses.
    PublicInternet,
}

/// What a plugin is. The sub-processor register, the settings form and the egress allow-list are made from it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Stable id, lower case, used in settings and in the audit log: `openai`.
    pub id: &'static str,
    /// The product's name, as people write it.
    pub name: &'static str,
    /// One sentence: what it does.
    pub summary: &'static str,
    /// The capabilities it offers, each under the same settings.
    pub capabilities: Vec<CapabilityKind>,
    /// The hosts it may reach; empty for a plugin that works inside this process.
    pub hosts: Vec<HostRule>,
    /// JSON Schema (2020-12) of its settings.
    pub settings_schema: Value,
}

impl Manifest {
    /// Whether it offers this capability.
    pub fn offers(&self, capability: CapabilityKind) -> bool {
        self.capabilities.contains(&capability)
    }

    /// The JSON Schema of a settings struct.
    pub fn schema_of<S: JsonSchema>() -> Value {
        schema_for!(S).to_value()
    }
}
