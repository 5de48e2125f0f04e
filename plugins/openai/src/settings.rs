//! The settings, as the form shows them and as they are checked.

use std::time::Duration;

use consigne_sdk::{Result, egress::header::HeaderValue, model_server::Checks, server::DeclaredSafeguard};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

const CHECKS: Checks = Checks(crate::ID);

/// Where a chat completion is asked for, below the base URL.
pub(crate) const COMPLETIONS: &str = "chat/completions";

/// Which server answers, how it is asked, and what the administrator declares about it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "OpenAI-compatible server")]
pub struct Settings {
    /// Where the server's API begins, version included: `http://127.0.0.1:11434/v1` for a local Ollama,
    /// `https://api.openai.com/v1` for OpenAI. Requests go to `{baseUrl}/chat/completions`.
    #[schemars(extend("format" = "uri"))]
    pub base_url: String,

    /// The key, sent as `Authorization: Bearer`. Leave empty where the server asks for none.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true))]
    pub api_key: Option<String>,

    /// The model's name as the server knows it: `qwen3:8b`, `gpt-5-mini`.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,

    /// Allows `http://` to a host other than this machine. Prompts and the key then cross that network unencrypted.
    #[serde(default)]
    pub allow_plain_http: bool,

    /// Who operates the server, as the contract names them. Shown in the register of sub-processors.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub operator: Option<String>,

    /// Where the server processes: `LOCAL` (this installation's own machines), `EEA`, or an ISO 3166-1 alpha-2
    /// country code. A server on this machine counts as `LOCAL` unless something else is declared.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(LOCAL|EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<DeclaredSafeguard>,

    /// Days for which the operator keeps prompts and answers, by contract; 0 where nothing outlives the request.
    #[serde(default)]
    #[schemars(range(max = 36500))]
    pub retention_days: Option<u32>,

    /// Sampling temperature. The server's own default where empty; OpenAI's reasoning models accept none.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,

    /// Longest answer in tokens, where shorter than what the assistant asks for. A reasoning model's thoughts count.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,

    /// The name under which the longest answer is sent. Where empty: `max_completion_tokens` for OpenAI's own hosts,
    /// whose reasoning models refuse the other one, and `max_tokens` everywhere else, because Ollama and llama.cpp
    /// before 2026 ignore the newer name and would write without end.
    #[serde(default)]
    pub token_limit_field: Option<TokenLimitField>,

    /// Seconds for the whole answer, repeated attempts included. Silence of 120 seconds ends it earlier.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u64,

    /// Offers the model a function to say that the knowledge does not answer. Switch it off for a model or server
    /// without function calling (vLLM needs `--enable-auto-tool-choice`); every answer is then text.
    #[serde(default = "default_use_tools")]
    pub use_tools: bool,

    /// Price of a million tokens read, in the currency of the workspace's budget.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub input_price: Option<f64>,

    /// Price of a million tokens written, in the currency of the workspace's budget.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub output_price: Option<f64>,
}

/// The two names of one limit. OpenAI renamed it in September 2024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimitField {
    /// `max_tokens`: every self-hosted server knows it.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's reasoning models accept no other.
    MaxCompletionTokens,
}

fn default_timeout() -> u64 {
    120
}

fn default_use_tools() -> bool {
    true
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
        CHECKS.model(&settings.model)?;
        CHECKS.temperature(settings.temperature, 2.0)?;
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
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>> {
        let key = self.api_key.as_deref().filter(|key| !key.is_empty());
        key.map(|key| CHECKS.secret_header(&format!("Bearer {key}"))).transpose()
    }

    /// The name of the token limit that this server understands.
    pub(crate) fn token_limit_field(&self) -> TokenLimitField {
        self.token_limit_field.unwrap_or(match self.is_openai() {
            true => TokenLimitField::MaxCompletionTokens,
            false => TokenLimitField::MaxTokens,
        })
    }

    /// Whether the server is OpenAI's own: `api.openai.com` or one of its regional names (`eu.api.openai.com`).
    pub(crate) fn is_openai(&self) -> bool {
        let host = self.base().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        host == "api.openai.com" || host.ends_with(".api.openai.com")
    }

    /// Time for the whole answer.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use consigne_sdk::model_server::settings::below;

    use super::*;

    #[test]
    fn the_key_does_not_print() {
        let settings = json!({ "baseUrl": "https://models.example/v1/", "model": "m", "apiKey": "sk-1" });
        let settings = Settings::parse(settings).expect("usable settings");
        let header = settings.authorization().expect("a header").expect("a key");
        assert_eq!((header.as_bytes(), format!("{header:?}").as_str()), (&b"Bearer sk-1"[..], "Sensitive"));
    }

    #[test]
    fn an_empty_key_is_no_key() {
        let settings = json!({ "baseUrl": "https://models.example", "model": "m", "apiKey": "" });
        let settings = Settings::parse(settings).expect("usable settings");
        assert!(settings.authorization().expect("no header").is_none());
        let url = below(&settings.base().expect("a URL"), COMPLETIONS);
        assert_eq!(url.as_str(), "https://models.example/chat/completions");
    }
}
