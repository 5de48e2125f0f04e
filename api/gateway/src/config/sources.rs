//! What documents are fetched from.

use std::net::SocketAddr;

use clap::Args;
use consigne_foundation::{Error, Result, error::ErrorKind};
use consigne_plugin_website::WebsiteOptions;

/// What documents are fetched from.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Sources")]
pub struct SourceConfig {
    /// For development: addresses with their ports that may be crawled though they are not on the public internet, over
    /// plain http too, as in `127.0.0.1:8000`. Refused in production.
    #[arg(long, env = "CONSIGNE_CRAWL_ALLOW", value_delimiter = ',')]
    pub crawl_allow: Vec<SocketAddr>,
    /// Largest page of a website, in kilobytes.
    #[arg(long, env = "CONSIGNE_MAX_PAGE_KB", default_value_t = 1_024)]
    pub max_page_kb: u64,
}

impl SourceConfig {
    /// What the operator decides about fetching pages.
    ///
    /// # Errors
    /// `Misconfigured` where an address inside would be let through in production.
    pub fn website(&self, is_production: bool) -> Result<WebsiteOptions> {
        if is_production && !self.crawl_allow.is_empty() {
            let message = "CONSIGNE_CRAWL_ALLOW lets workspaces fetch from the inside, which is for development alone.";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        Ok(WebsiteOptions { let_through: self.crawl_allow.clone() })
    }
}
