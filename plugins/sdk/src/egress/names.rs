//! What a domain says of itself in the DNS: TXT records, by which its owner shows that it is theirs.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::RData,
};

use crate::{PluginError, PluginErrorKind, Result};

/// Longest wait for an answer, of which there are two at the most.
const WAIT: Duration = Duration::from_secs(3);

/// Asks about domains.
#[derive(Debug, Clone, Copy, Default)]
pub struct Domains {
    /// Who is asked; the name servers of this machine where nobody is named.
    pub server: Option<SocketAddr>,
}

impl Domains {
    /// The texts of a domain's TXT records, asked for anew; none where there are none.
    ///
    /// # Errors
    /// `Unavailable` where nobody answers; `Misconfigured` where this machine has no name server.
    pub async fn texts(&self, domain: &str) -> Result<Vec<String>> {
        let resolver = self.resolver()?;
        // The last dot keeps this machine's search domains out of it.
        let found = match resolver.txt_lookup(format!("{domain}.")).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(_) => {
                return Err(PluginError::new(PluginErrorKind::Unavailable, "the domain name system does not answer"));
            }
        };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.to_string()),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// Nothing is remembered from one question to the next: whoever just wrote a record is not told for an hour that there is none.
    fn resolver(&self) -> Result<TokioResolver> {
        let unusable = |_| PluginError::new(PluginErrorKind::Misconfigured, "this machine has no name server to ask");
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio().map_err(unusable)?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = WAIT;
        options.attempts = 2;
        options.cache_size = 0;
        builder.build().map_err(unusable)
    }
}
