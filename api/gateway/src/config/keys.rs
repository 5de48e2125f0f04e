//! Who keeps the root key: a file, the environment, or a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use consigne_foundation::{
    Error, Result,
    error::ErrorKind,
    vault::{Provider, RootKey},
};
use consigne_plugin_transit::{Settings, key_server};

use super::DataConfig;

/// Who keeps the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyProviderName {
    /// A file of this machine.
    File,
    /// The setting `CONSIGNE_ROOT_KEY`.
    Environment,
    /// A server that speaks the Transit API of HashiCorp Vault.
    Transit,
}

/// The root key (`docs/keys.md`).
#[derive(Args, Clone)]
#[command(next_help_heading = "Root key")]
pub struct KeyConfig {
    /// Who keeps the root key; where left out the environment where CONSIGNE_ROOT_KEY is set, else a file.
    #[arg(long, env = "CONSIGNE_KEY_PROVIDER", value_enum)]
    pub key_provider: Option<KeyProviderName>,
    /// File of the root key, made with mode 0600 where it is missing; `root.key` in the data folder where left out. Later versions
    /// lie beside it.
    #[arg(long, env = "CONSIGNE_ROOT_KEY_FILE")]
    pub root_key_file: Option<PathBuf>,
    /// The root key itself, 64 hexadecimal digits, instead of a file.
    #[arg(long, env = "CONSIGNE_ROOT_KEY", hide_env_values = true)]
    pub root_key: Option<String>,
    /// The root key that takes its place, while it does.
    #[arg(long, env = "CONSIGNE_ROOT_KEY_NEXT", hide_env_values = true)]
    pub root_key_next: Option<String>,
    /// Address of the server: `https://vault.example:8200`.
    #[arg(long, env = "CONSIGNE_TRANSIT_URL")]
    pub transit_url: Option<String>,
    /// Its token; none where an agent in between adds one.
    #[arg(long, env = "CONSIGNE_TRANSIT_TOKEN", hide_env_values = true)]
    pub transit_token: Option<String>,
    /// The key's name there; it has to be made with `derived=true`.
    #[arg(long, env = "CONSIGNE_TRANSIT_KEY", default_value = "consigne")]
    pub transit_key: String,
    /// Where the engine is mounted.
    #[arg(long, env = "CONSIGNE_TRANSIT_MOUNT", default_value = "transit")]
    pub transit_mount: String,
    /// The namespace, where the server has several.
    #[arg(long, env = "CONSIGNE_TRANSIT_NAMESPACE")]
    pub transit_namespace: Option<String>,
    /// Allows `http://` to a server on another machine, over a network that is trusted.
    #[arg(long, env = "CONSIGNE_TRANSIT_ALLOW_PLAIN_HTTP")]
    pub transit_allow_plain_http: bool,
    /// Milliseconds for one request to the server.
    #[arg(long, env = "CONSIGNE_TRANSIT_TIMEOUT_MS", default_value_t = 5_000)]
    pub transit_timeout_ms: u64,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("key_provider", &self.name()).finish_non_exhaustive()
    }
}

impl KeyConfig {
    fn name(&self) -> KeyProviderName {
        let default = if self.root_key.is_some() { KeyProviderName::Environment } else { KeyProviderName::File };
        self.key_provider.unwrap_or(default)
    }

    /// Where the root key's file is.
    pub fn root_key_path(&self, data: &DataConfig) -> PathBuf {
        self.root_key_file.clone().unwrap_or_else(|| data.data_dir.join("root.key"))
    }

    /// Whether there is a root key, without making one.
    pub fn is_there(&self, data: &DataConfig) -> bool {
        self.name() != KeyProviderName::File || Provider::is_in_file(&self.root_key_path(data))
    }

    /// Who keeps the root key. A file is made where it is missing; a server is not asked yet.
    ///
    /// # Errors
    /// `Misconfigured` where a key cannot be read, others can read its file, or a setting is missing.
    pub fn provider(&self, data: &DataConfig) -> Result<Provider> {
        match self.name() {
            KeyProviderName::File => Provider::in_file(&self.root_key_path(data)).map(|(provider, _)| provider),
            KeyProviderName::Environment => {
                let key = self.root_key.as_ref().ok_or_else(|| missing("CONSIGNE_ROOT_KEY"))?;
                let next = self.root_key_next.as_deref().map(RootKey::parse).transpose()?;
                Ok(Provider::given(RootKey::parse(key)?, next))
            }
            KeyProviderName::Transit => {
                let settings = Settings {
                    url: self.transit_url.clone().ok_or_else(|| missing("CONSIGNE_TRANSIT_URL"))?,
                    allow_plain_http: self.transit_allow_plain_http,
                    mount: self.transit_mount.clone(),
                    key: self.transit_key.clone(),
                    token: self.transit_token.clone(),
                    namespace: self.transit_namespace.clone(),
                    timeout_millis: self.transit_timeout_ms,
                };
                Ok(Provider::remote("transit", key_server(settings)?))
            }
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, format!("This key provider needs {name}."))
}
