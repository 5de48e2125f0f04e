//! The settings, as the form shows them and as they are checked.

use consigne_sdk::{PluginError, PluginErrorKind, Result, Safeguard, signed::Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Where requests go, how they are signed, and what the administrator declares about who receives them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Webhook")]
pub struct Settings {
    /// Where requests are sent: https, on the public internet.
    #[schemars(extend("format" = "uri", "writeOnly" = true), length(max = 2000))]
    pub url: String,

    /// What requests are signed with: `whsec_` and base64 of 24 to 64 bytes that both sides know, or `whsk_` and base64 of
    /// an Ed25519 key. To replace one, put the new one beside the old: each request then carries both signatures.
    #[schemars(extend("writeOnly" = true), length(min = 1, max = 2))]
    pub secrets: Vec<String>,

    /// What requests that come back are verified with: `whsec_`, or `whpk_` and base64 of an Ed25519 public key. Those of
    /// `secrets` where left out.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true), length(min = 1, max = 2))]
    pub inbound_secrets: Option<Vec<String>>,

    /// Whether answers come back.
    #[serde(default)]
    pub mode: Mode,

    /// Whether the workspace's audit log is sent there too, as it grows.
    #[serde(default)]
    pub audit_log: bool,

    /// Who operates the server, as the contract names them. Shown in the register of sub-processors.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub operator: Option<String>,

    /// Where the server processes: `LOCAL` (this installation's own machines), `EEA`, or an ISO 3166-1 alpha-2 country
    /// code.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(LOCAL|EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<Safeguard>,

    /// Days for which the operator keeps what it is sent; 0 where nothing outlives the request.
    #[serde(default)]
    #[schemars(range(max = 36500))]
    pub retention_days: Option<u32>,
}

/// Whether answers come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Signed requests to the channel's inbound address are answers.
    #[default]
    TwoWay,
    /// People are told, and nothing is taken back.
    Alert,
}

impl Settings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// `Misconfigured`, with the name of the setting and never its value: it may be a secret.
    pub(crate) fn parse(settings: Value) -> Result<Self> {
        let settings: Self =
            serde_json::from_value(settings).map_err(|_| misconfigured("they do not fit the schema"))?;
        settings.target()?;
        settings.outbound()?;
        settings.inbound()?;
        Ok(settings)
    }

    /// Where requests are sent.
    pub(crate) fn target(&self) -> Result<Url> {
        let mut url = Url::parse(&self.url).map_err(|_| misconfigured("url is not a URL"))?;
        url.set_fragment(None);
        Ok(url)
    }

    /// What requests are signed with.
    pub(crate) fn outbound(&self) -> Result<Vec<Secret>> {
        let secrets = read(&self.secrets, "secrets")?;
        match secrets.iter().any(|secret| matches!(secret, Secret::Public(_))) {
            true => Err(misconfigured("secrets holds a public key, which signs nothing")),
            false => Ok(secrets),
        }
    }

    /// What requests that come back are verified with.
    pub(crate) fn inbound(&self) -> Result<Vec<Secret>> {
        read(self.inbound_secrets.as_ref().unwrap_or(&self.secrets), "inboundSecrets")
    }
}

fn read(secrets: &[String], setting: &str) -> Result<Vec<Secret>> {
    if !(1..=2).contains(&secrets.len()) {
        return Err(misconfigured(&format!("{setting} holds one or two")));
    }
    let read: Option<Vec<Secret>> = secrets.iter().map(|secret| Secret::parse(secret.trim())).collect();
    read.ok_or_else(|| misconfigured(&format!("{setting} holds something that is neither whsec_, whsk_ nor whpk_")))
}

pub(crate) fn misconfigured(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("{}: settings: {why}", crate::ID))
}
