//! How people are told.

use std::net::SocketAddr;

use clap::Args;
use consigne_foundation::{Error, Result, error::ErrorKind};
use consigne_plugin_webhook::WebhookOptions;

/// How people are told.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Channels")]
pub struct ChannelConfig {
    /// For development: addresses with their ports that webhooks may be delivered to though they are not on the public
    /// internet, over plain http too, as in `127.0.0.1:9000`. Refused in production.
    #[arg(long, env = "CONSIGNE_WEBHOOK_ALLOW", value_delimiter = ',')]
    pub webhook_allow: Vec<SocketAddr>,
}

impl ChannelConfig {
    /// What the operator decides about webhooks.
    ///
    /// # Errors
    /// `Misconfigured` where an address inside would be let through in production.
    pub fn webhook(&self, is_production: bool) -> Result<WebhookOptions> {
        if is_production && !self.webhook_allow.is_empty() {
            let message = "CONSIGNE_WEBHOOK_ALLOW lets workspaces send to the inside, which is for development alone.";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        Ok(WebhookOptions { let_through: self.webhook_allow.clone() })
    }
}
