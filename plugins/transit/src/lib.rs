//! Keys of a server that speaks the Transit API of HashiCorp Vault (OpenBao speaks it too).
//!
//! The key has to be made with `derived=true`: each wrapped key is then bound to its place by the API's `context`, as it is under a key
//! that is here. Of what the API offers only `encrypt`, `decrypt`, `rewrap`, `keys/NAME`, `keys/NAME/rotate` and `keys/NAME/config` are
//! called (<https://developer.hashicorp.com/vault/api-docs/secret/transit>).
//!
//! Invariants, as absences:
//! - No personal data is handed over: wrapped are keys, bound to ids and names of tables.
//! - No key that was opened stays in memory here, and none stands in an error.

mod server;

use consigne_sdk::{Egress, HostRule, KeyServer, Manifest, PluginError, PluginErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The stable id.
const ID: &str = "transit";

/// Where the server is, and which key.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Its address: `https://vault.example:8200`.
    pub url: String,
    /// Allows plain http to another machine than this one.
    #[serde(default)]
    pub allow_plain_http: bool,
    /// Where the engine is mounted.
    #[serde(default = "mount")]
    pub mount: String,
    /// The key's name.
    pub key: String,
    /// The token; none where an agent in between adds one.
    pub token: Option<String>,
    /// The namespace, where the server has several.
    pub namespace: Option<String>,
    /// Milliseconds for one request.
    #[serde(default = "timeout")]
    pub timeout_millis: u64,
}

fn mount() -> String {
    "transit".to_owned()
}

fn timeout() -> u64 {
    5_000
}

/// The key of these settings. Nothing is connected before the first call.
///
/// # Errors
/// `Misconfigured`, with what to change.
pub fn key_server(settings: Settings) -> Result<impl KeyServer> {
    let manifest = Manifest {
        id: ID,
        name: "Vault Transit",
        summary: "Keeps the root key.",
        capabilities: Vec::new(),
        hosts: vec![HostRule::FromSetting("url")],
        settings_schema: Manifest::schema_of::<Settings>(),
    };
    let as_json: Value = serde_json::to_value(&settings).map_err(|_| misconfigured("its settings cannot be read"))?;
    let egress = Egress::new(&manifest, &as_json)?;
    server::Transit::new(settings, egress)
}

fn misconfigured(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("The Transit server: {why}."))
}
