//! Single sign-on: how identity providers are reached, and who is asked about domains.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use consigne_foundation::{Error, Result, error::ErrorKind};
use consigne_plugin_oidc::{Oidc, OidcOptions};
use consigne_sdk::{SignOn, egress::Domains};

/// Single sign-on.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Single sign-on")]
pub struct SignOnConfig {
    /// For development: addresses with their ports at which identity providers may be though they are not on the public
    /// internet, over plain http too, as in `127.0.0.1:3000`. Refused in production.
    #[arg(long, env = "CONSIGNE_SSO_ALLOW", value_delimiter = ',')]
    pub sso_allow: Vec<SocketAddr>,
    /// The name server that is asked whether a domain is a workspace's, as in `9.9.9.9:53`; those of this machine where left
    /// out.
    #[arg(long, env = "CONSIGNE_DNS_SERVER")]
    pub dns_server: Option<SocketAddr>,
}

impl SignOnConfig {
    /// What speaks to identity providers.
    ///
    /// # Errors
    /// `Misconfigured` where an address inside would be let through in production.
    pub fn sign_on(&self, is_production: bool) -> Result<Arc<dyn SignOn>> {
        if is_production && !self.sso_allow.is_empty() {
            let message = "CONSIGNE_SSO_ALLOW lets workspaces reach the inside, which is for development alone.";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        Ok(Arc::new(Oidc::new(OidcOptions { let_through: self.sso_allow.clone() })?))
    }

    /// What asks about domains.
    pub fn names(&self) -> Domains {
        Domains { server: self.dns_server }
    }
}
