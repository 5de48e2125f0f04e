//! Pages of websites that customers name, over plain HTTP requests: no script runs, no cookie is kept.
//!
//! What may be reached is the egress's to decide: https, the public internet, addresses checked before they are
//! connected to, and the few addresses that an operator lets through for development. What is fetched, how often and
//! what becomes of it is the crawl's to decide.
//!
//! Reading order: `fetcher` (one request, one answer), `answer` (what a status and its headers mean).
//!
//! Invariants, as absences:
//! - No redirect is followed here: it comes back, and its target is checked like a first request.
//! - No answer takes longer than 15 seconds or more bytes than were asked for.
//! - No URL, no header and no byte of a page is in an error or a log line.

mod answer;
mod fetcher;

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind, Processing, Purpose,
    Result,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The stable id of this plugin.
const ID: &str = "website";

/// What the operator decides about fetching.
#[derive(Debug, Clone, Default)]
pub struct WebsiteOptions {
    /// Addresses that may be fetched from though they are not on the public internet, over plain http too.
    pub let_through: Vec<SocketAddr>,
}

/// The settings a workspace can make: none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebsiteSettings {}

/// Fetches pages.
pub struct Website {
    manifest: Manifest,
}

impl Website {
    /// The plugin under these options; nobody is connected to before a page is fetched.
    pub fn new(options: WebsiteOptions) -> Self {
        let let_through = options.let_through.into_iter().map(HostRule::Address);
        let manifest = Manifest {
            id: ID,
            name: "Website",
            summary: "Fetches pages of the websites that the workspace names, from the public internet over https.",
            capabilities: vec![CapabilityKind::PageFetcher],
            hosts: let_through.chain([HostRule::PublicInternet]).collect(),
            settings_schema: Manifest::schema_of::<WebsiteSettings>(),
        };
        Self { manifest }
    }
}

#[async_trait]
impl Plugin for Website {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A website gets the addresses of its own pages and nothing of the workspace.
    fn processing(&self, _settings: &Value) -> Processing {
        Processing::internal(Vec::new(), vec![Purpose::KnowledgeIndexing])
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let fits = settings.is_null() || (settings.is_object() && WebsiteSettings::deserialize(settings).is_ok());
        if !fits {
            return Err(PluginError::new(PluginErrorKind::Misconfigured, "website takes no settings"));
        }
        Ok(Capability::PageFetcher(Arc::new(fetcher::Fetcher::new(egress))))
    }
}
