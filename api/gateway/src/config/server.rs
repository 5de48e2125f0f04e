//! Where the gateway listens, and as what.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::{graphql::request::TrustedDocuments, http::tls::CertificateFiles};

/// Where the gateway listens.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct ServerConfig {
    /// Address of the API.
    #[arg(long, env = "CONSIGNE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of Prometheus metrics; keep it off the public network.
    #[arg(long, env = "CONSIGNE_METRICS_LISTEN", default_value = "127.0.0.1:9464")]
    pub metrics_listen: SocketAddr,
    /// Where clients reach the API, if not at the address it listens on: `https://api.example.com`.
    #[arg(long, env = "CONSIGNE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Production mode: no playground, no introspection for the public.
    #[arg(long, env = "CONSIGNE_PRODUCTION")]
    pub production: bool,
    /// Certificate chain in PEM, the server's own first. With it the public address speaks TLS 1.3, and nothing older; the file
    /// is read again when it changes.
    #[arg(long, env = "CONSIGNE_TLS_CERTIFICATE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate, in PEM.
    #[arg(long, env = "CONSIGNE_TLS_KEY", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS, and puts the address of the client last into `X-Forwarded-For`. Without it, or a certificate,
    /// only loopback addresses are listened on.
    #[arg(long, env = "CONSIGNE_BEHIND_TLS_PROXY")]
    pub behind_tls_proxy: bool,
    /// The only documents that visitors and the public may ask for: a JSON object from ids to texts, or Apollo's manifest of
    /// persisted queries. Anything goes, within the limits, where left out.
    #[arg(long, env = "CONSIGNE_TRUSTED_DOCUMENTS")]
    pub trusted_documents: Option<PathBuf>,
    /// Connections at once, over all threads; more wait until one ends.
    #[arg(long, env = "CONSIGNE_MAX_CONNECTIONS", default_value_t = 20_000)]
    pub max_connections: usize,
    /// Threads that serve HTTP; as many as there are cores where left out.
    #[arg(long, env = "CONSIGNE_HTTP_THREADS")]
    pub http_threads: Option<usize>,
    /// Seconds that a stop waits for work under way.
    #[arg(long, env = "CONSIGNE_STOP_SECONDS", default_value_t = 20)]
    pub stop_seconds: u64,
}

impl ServerConfig {
    /// The documents that visitors and the public are bound to, where the operator names them.
    ///
    /// # Errors
    /// The file cannot be read, or is no manifest.
    pub fn trusted(&self) -> Result<Option<TrustedDocuments>> {
        let Some(path) = &self.trusted_documents else { return Ok(None) };
        let manifest = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let documents = TrustedDocuments::from_json(&manifest);
        Ok(Some(documents.with_context(|| format!("{} is no manifest of documents", path.display()))?))
    }

    /// The files of the certificate, where there is one.
    pub fn certificate(&self) -> Option<CertificateFiles> {
        let (chain, key) = self.tls_certificate.clone().zip(self.tls_key.clone())?;
        Some(CertificateFiles { chain, key })
    }
}
