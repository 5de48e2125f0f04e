//! The installation's settings: where the server is, how it is trusted, and what the operator declares about it.

use std::time::Duration;

use consigne_sdk::{
    Result,
    egress::TlsTerms,
    server::{DeclaredSafeguard, SettingsOf},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use url::Url;

const OURS: SettingsOf = SettingsOf(crate::ID);

/// Which server, and what is known about it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Qdrant")]
pub struct Settings {
    /// The server's gRPC address, with its port: `https://qdrant.example:6334`.
    #[schemars(extend("format" = "uri"))]
    pub url: String,

    /// The API key or token, which has to allow managing collections: a purge lowers the thresholds of one for a
    /// while. Leave empty where the server asks for none.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true))]
    pub api_key: Option<String>,

    /// PEM certificates of the authorities that alone may vouch for the server; those of the system where left out.
    #[serde(default)]
    pub authorities: Option<String>,

    /// Allows `http://` to a host other than this machine. Vectors and the key then cross that network unencrypted.
    #[serde(default)]
    pub allow_plain_http: bool,

    /// Copies of each point, in a collection made from now on. More than one needs as many servers in the cluster.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 16))]
    pub replicas: u32,

    /// Seconds for one request.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout_seconds: u64,

    /// Seconds that a purge may wait until deleted bytes left the server's storage.
    #[serde(default = "default_purge")]
    #[schemars(range(min = 10, max = 3600))]
    pub purge_seconds: u64,

    /// Who operates the server, as the contract names them. Shown in the register of sub-processors.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub operator: Option<String>,

    /// Where the server is: `LOCAL` (this installation's own machines), `EEA`, or the ISO 3166-1 alpha-2 code of a
    /// country outside the EEA. A server on this machine counts as `LOCAL` unless something else is declared.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(LOCAL|EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<DeclaredSafeguard>,
}

fn default_replicas() -> u32 {
    1
}

fn default_timeout() -> u64 {
    10
}

fn default_purge() -> u64 {
    60
}

impl Settings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// `Misconfigured`, with the name of the setting and never its value: it may be the key.
    pub(crate) fn parse(settings: Value) -> Result<Self> {
        let settings: Self = OURS.read(settings)?;
        OURS.check_plain_http("url", &settings.url()?, settings.allow_plain_http)?;
        if !(1..=16).contains(&settings.replicas) {
            return Err(OURS.unusable("replicas is outside 1 to 16"));
        }
        if !(1..=300).contains(&settings.timeout_seconds) {
            return Err(OURS.unusable("timeoutSeconds is outside 1 to 300"));
        }
        if !(10..=3600).contains(&settings.purge_seconds) {
            return Err(OURS.unusable("purgeSeconds is outside 10 to 3600"));
        }
        OURS.check_region(settings.region.as_deref())?;
        Ok(settings)
    }

    /// The server's address.
    pub(crate) fn url(&self) -> Result<Url> {
        let url = OURS.address("url", &self.url)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(OURS.unusable("url has more than a host and a port"));
        }
        Ok(url)
    }

    /// The key as a header, marked as sensitive so that no library prints it.
    pub(crate) fn key(&self) -> Result<Option<MetadataValue<Ascii>>> {
        let mut key: Option<MetadataValue<Ascii>> = OURS.key("", self.api_key.as_deref())?;
        key.iter_mut().for_each(|key| key.set_sensitive(true));
        Ok(key)
    }

    /// What the handshake has to agree on.
    pub(crate) fn tls(&self) -> TlsTerms {
        TlsTerms { protocol: "h2", authorities: self.authorities.clone().filter(|pem| !pem.trim().is_empty()) }
    }

    /// Time for one request.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// Time for one purge.
    pub(crate) fn purge_timeout(&self) -> Duration {
        Duration::from_secs(self.purge_seconds)
    }
}
