//! Where vectors are searched: in this process's memory, or in a Qdrant server that several gateways share.

use std::path::PathBuf;

use clap::Args;
use consigne_foundation::{Error, Result, error::ErrorKind};
use serde_json::{Value, json};

/// Where vectors are searched.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Vector index")]
pub struct IndexConfig {
    /// Memory for vectors, in megabytes; workspaces that were not searched for longest go first.
    #[arg(long, env = "CONSIGNE_INDEX_MB", default_value_t = 512)]
    pub index_mb: usize,
    /// gRPC address of a Qdrant server, with its port: `https://qdrant.example:6334`. Memory where left out.
    #[arg(long, env = "CONSIGNE_QDRANT_URL")]
    pub qdrant_url: Option<String>,
    /// API key of the server; it has to allow managing collections.
    #[arg(long, env = "CONSIGNE_QDRANT_API_KEY", hide_env_values = true)]
    pub qdrant_api_key: Option<String>,
    /// PEM file of the authorities that alone may vouch for the server; those of the system where left out.
    #[arg(long, env = "CONSIGNE_QDRANT_CA_FILE")]
    pub qdrant_ca_file: Option<PathBuf>,
    /// Allows `http://` to a server on another machine, over a network that is trusted.
    #[arg(long, env = "CONSIGNE_QDRANT_ALLOW_PLAIN_HTTP")]
    pub qdrant_allow_plain_http: bool,
    /// Copies of each point, in collections made from now on; more than one needs a cluster.
    #[arg(long, env = "CONSIGNE_QDRANT_REPLICAS", default_value_t = 1)]
    pub qdrant_replicas: u32,
    /// Seconds for one request to the server.
    #[arg(long, env = "CONSIGNE_QDRANT_TIMEOUT_SECONDS", default_value_t = 10)]
    pub qdrant_timeout_seconds: u64,
    /// Seconds that a deletion may wait until its bytes left the server's disk.
    #[arg(long, env = "CONSIGNE_QDRANT_PURGE_SECONDS", default_value_t = 60)]
    pub qdrant_purge_seconds: u64,
    /// Who operates the server, for the register of sub-processors.
    #[arg(long, env = "CONSIGNE_QDRANT_OPERATOR")]
    pub qdrant_operator: Option<String>,
    /// Where the server is: `LOCAL` (this installation's own machines), `EEA`, or another country's code.
    #[arg(long, env = "CONSIGNE_QDRANT_REGION")]
    pub qdrant_region: Option<String>,
    /// What makes a transfer there lawful: `NOT_NEEDED`, `ADEQUACY` or `STANDARD_CLAUSES`.
    #[arg(long, env = "CONSIGNE_QDRANT_SAFEGUARD")]
    pub qdrant_safeguard: Option<String>,
}

impl IndexConfig {
    /// The plugin's settings, where there is a server.
    ///
    /// # Errors
    /// `Misconfigured` where the authorities' file cannot be read.
    pub fn qdrant(&self) -> Result<Option<Value>> {
        let Some(url) = &self.qdrant_url else { return Ok(None) };
        let authorities = match &self.qdrant_ca_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|source| {
                let message = format!("The authorities of Qdrant in {} cannot be read.", path.display());
                Error::new(ErrorKind::Misconfigured, message).because(source)
            })?),
            None => None,
        };
        Ok(Some(json!({
            "url": url,
            "apiKey": self.qdrant_api_key,
            "authorities": authorities,
            "allowPlainHttp": self.qdrant_allow_plain_http,
            "replicas": self.qdrant_replicas,
            "timeoutSeconds": self.qdrant_timeout_seconds,
            "purgeSeconds": self.qdrant_purge_seconds,
            "operator": self.qdrant_operator,
            "region": self.qdrant_region,
            "safeguard": self.qdrant_safeguard,
        })))
    }
}
