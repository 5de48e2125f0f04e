//! A signed HTTP request to an address of the workspace's own, for each thing that people are to be told; and back.
//!
//! Signatures, headers and the meaning of a status are those of Standard Webhooks (standardwebhooks.com). What may be
//! reached is the egress's to decide: https, the public internet, addresses checked before they are connected to, and
//! the few addresses that an operator lets through for development.
//!
//! Reading order: [`settings`], [`payload`] (what is sent, with its schema), `channel` (one delivery), `audit` (the
//! audit log), `inbound` (what comes back).
//!
//! Invariants, as absences:
//! - No redirect is followed, and no address that is inside is connected to.
//! - No answer of the other side is read beyond 16 KB, kept, or put into an error.
//! - Nothing is taken from a request whose signature does not fit its body byte by byte.

mod audit;
mod channel;
mod inbound;
pub mod payload;
pub mod settings;

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind,
    Processing, ProcessorRole, Purpose, Region, Result, Retention, Safeguard,
};
use serde_json::Value;
use url::Url;

pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "webhook";

/// What the operator decides about webhooks.
#[derive(Debug, Clone, Default)]
pub struct WebhookOptions {
    /// Addresses that may be delivered to though they are not on the public internet, over plain http too.
    pub let_through: Vec<SocketAddr>,
}

/// Sends signed requests.
pub struct Webhook {
    manifest: Manifest,
}

impl Webhook {
    /// The plugin under these options; nobody is connected to before something is delivered.
    pub fn new(options: WebhookOptions) -> Self {
        let let_through = options.let_through.into_iter().map(HostRule::Address);
        let manifest = Manifest {
            id: ID,
            name: "Webhook",
            summary: "Tells a server of your own, by signed requests, that a visitor needs a person, and takes answers \
                      from it. Takes the audit log, where that is wanted.",
            capabilities: vec![CapabilityKind::Channel, CapabilityKind::AuditSink],
            hosts: let_through.chain([HostRule::PublicInternet]).collect(),
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

#[async_trait]
impl Plugin for Webhook {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who receives is what the administrator states, and "undeclared" for the rest.
    fn processing(&self, settings: &Value) -> Processing {
        let settings = serde_json::from_value::<Settings>(settings.clone()).ok();
        let host = settings.as_ref().and_then(|s| Url::parse(&s.url).ok()?.host_str().map(str::to_owned));
        let unnamed = || format!("the undeclared operator of {}", host.as_deref().unwrap_or("an unknown host"));
        let declared = settings.as_ref();
        Processing {
            role: ProcessorRole::SubProcessor,
            operator: declared.and_then(|s| s.operator.clone()).unwrap_or_else(unnamed),
            region: declared.and_then(|s| s.region.as_deref()).map_or(Region::Undeclared, Region::of_code),
            safeguard: declared.and_then(|s| s.safeguard).unwrap_or(Safeguard::Undeclared),
            categories: vec![DataCategory::Conversation],
            purposes: match declared.is_some_and(|s| s.audit_log) {
                true => vec![Purpose::Escalation, Purpose::Accountability],
                false => vec![Purpose::Escalation],
            },
            retention: match declared.and_then(|s| s.retention_days) {
                Some(0) => Retention::None,
                Some(days) => Retention::Days(days),
                None => Retention::Undeclared,
            },
        }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let webhook = Arc::new(channel::WebhookChannel::new(Settings::parse(settings)?, egress)?);
        match capability {
            CapabilityKind::Channel => Ok(Capability::Channel(webhook)),
            CapabilityKind::AuditSink => Ok(Capability::AuditSink(webhook)),
            _ => Err(PluginError::new(PluginErrorKind::Misconfigured, format!("{ID} is no such thing"))),
        }
    }
}
