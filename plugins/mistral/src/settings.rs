//! The settings, as the form shows them and as they are checked.

use std::time::Duration;

use consigne_sdk::{Result, egress::header::HeaderValue, model_server::Checks, server::DeclaredSafeguard};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The host of the endpoint in the European Union.
pub const EU_HOST: &str = "api.eu.mistral.ai";

const CHECKS: Checks = Checks(crate::ID);

/// Which model answers and corrects, how it is asked, and what the contract with Mistral says.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Mistral")]
pub struct Settings {
    /// The key, sent as `Authorization: Bearer`.
    #[schemars(length(min = 1, max = 200), extend("format" = "password", "writeOnly" = true))]
    pub api_key: String,

    /// The model's name: `mistral-medium-latest`, `mistral-small-latest`.
    #[serde(default = "default_model")]
    #[schemars(length(min = 1, max = 200))]
    pub model: String,

    /// Where the API begins, version included. The endpoint in the European Union, which a key has to be allowed for;
    /// Mistral's own default, `https://api.mistral.ai/v1`, may process anywhere.
    #[serde(default = "default_base_url")]
    #[schemars(extend("format" = "uri"))]
    pub base_url: String,

    /// Allows `http://` to a host other than this machine. Texts and the key then cross that network unencrypted.
    #[serde(default)]
    pub allow_plain_http: bool,

    /// Who operates the server, where it is not Mistral's own.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub operator: Option<String>,

    /// Where the server processes: `LOCAL`, `EEA`, or an ISO 3166-1 alpha-2 country code. Known for Mistral's endpoint in
    /// the European Union.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(LOCAL|EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<DeclaredSafeguard>,

    /// Days for which Mistral keeps prompts and answers, by contract; 0 where zero retention was agreed, 30 otherwise.
    #[serde(default)]
    #[schemars(range(max = 36500))]
    pub retention_days: Option<u32>,

    /// Sampling temperature of answers. The model's own default where empty.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.5))]
    pub temperature: Option<f64>,

    /// Makes sampling repeatable.
    #[serde(default)]
    pub random_seed: Option<u32>,

    /// Lets Mistral put its safety prompt before the conversation.
    #[serde(default)]
    pub safe_prompt: bool,

    /// Longest answer in tokens, where shorter than what the assistant asks for.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,

    /// Seconds for the whole answer, repeated attempts included. Silence of 120 seconds ends it earlier.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u64,

    /// Price of a million tokens read, in the currency of the workspace's budget.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub input_price: Option<f64>,

    /// Price of a million tokens written, in the currency of the workspace's budget.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub output_price: Option<f64>,
}

fn default_base_url() -> String {
    format!("https://{EU_HOST}/v1")
}

fn default_model() -> String {
    "mistral-medium-latest".to_owned()
}

fn default_timeout() -> u64 {
    120
}

impl Settings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// `Misconfigured`, with the name of the setting and never its value: it may be the key.
    pub(crate) fn parse(settings: Value) -> Result<Self> {
        let settings: Self =
            serde_json::from_value(settings).map_err(|_| CHECKS.misconfigured("they do not fit the schema"))?;
        settings.base()?;
        settings.authorization()?;
        CHECKS.model(&settings.model)?;
        CHECKS.temperature(settings.temperature, 1.5)?;
        CHECKS.max_tokens(settings.max_tokens)?;
        CHECKS.timeout(settings.timeout_seconds)?;
        CHECKS.region(settings.region.as_deref())?;
        Ok(settings)
    }

    /// The base URL.
    pub(crate) fn base(&self) -> Result<Url> {
        CHECKS.base(&self.base_url, self.allow_plain_http)
    }

    /// The `Authorization` header, marked as sensitive so that no HTTP library prints it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue> {
        if self.api_key.trim().is_empty() {
            return Err(CHECKS.misconfigured("apiKey is empty"));
        }
        CHECKS.secret_header(&format!("Bearer {}", self.api_key))
    }

    /// Time for the whole answer.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}
