//! The settings, as the form shows them and as they are checked.

use consigne_sdk::{
    PluginError, PluginErrorKind, Result, Safeguard,
    egress::{header::HeaderValue, is_loopback},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Which channel of which workspace, and what the administrator declares about it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Slack")]
pub struct Settings {
    /// The app's bot token, which begins with `xoxb-`.
    #[schemars(extend("format" = "password", "writeOnly" = true), length(min = 1, max = 400))]
    pub bot_token: String,

    /// The app's signing secret, by which requests from Slack are verified. Needed for answers.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true), length(min = 16, max = 200))]
    pub signing_secret: Option<String>,

    /// The channel's id, as its details show it: `C024BE91L`. The app has to be in the channel.
    #[schemars(regex(pattern = r"^[CG][A-Z0-9]{2,30}$"))]
    pub channel: String,

    /// Whether replies in the thread reach the visitor.
    #[serde(default)]
    pub mode: Mode,

    /// A reply that begins with this is a note that the visitor never sees.
    #[serde(default = "default_note_prefix")]
    #[schemars(length(min = 1, max = 20))]
    pub note_prefix: String,

    /// The language of the fixed words: `en`, `fr`, `de` or `es`.
    #[serde(default = "default_language")]
    #[schemars(regex(pattern = r"^[a-z]{2}$"))]
    pub language: String,

    /// Where the Web API begins, where that is not `https://slack.com/api`: `https://slack-gov.com/api`, or a server on
    /// this machine for tests.
    #[serde(default)]
    #[schemars(extend("format" = "uri"))]
    pub api_base_url: Option<String>,

    /// Where Slack keeps the workspace's messages: `EEA` or an ISO 3166-1 alpha-2 country code. `US` where left out.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<Safeguard>,

    /// Days for which the workspace keeps messages, by its own retention settings.
    #[serde(default)]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<u32>,
}

/// Whether replies reach the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Replies in the thread reach the visitor, and buttons work.
    #[default]
    TwoWay,
    /// People are told, and answer elsewhere.
    Alert,
}

fn default_note_prefix() -> String {
    "//".to_owned()
}

fn default_language() -> String {
    "en".to_owned()
}

impl Settings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// `Misconfigured`, with the name of the setting and never its value: it may be a secret.
    pub(crate) fn parse(settings: Value) -> Result<Self> {
        let settings: Self =
            serde_json::from_value(settings).map_err(|_| misconfigured("they do not fit the schema"))?;
        settings.base()?;
        settings.authorization()?;
        let is_id = settings.channel.starts_with(['C', 'G'])
            && settings.channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_id {
            return Err(misconfigured("channel is no id of a channel"));
        }
        if settings.note_prefix.trim().is_empty() {
            return Err(misconfigured("notePrefix is empty"));
        }
        if settings.mode == Mode::TwoWay && settings.signing_secret.as_deref().is_none_or(|secret| secret.len() < 16) {
            return Err(misconfigured("signingSecret is missing, and mode is two_way"));
        }
        Ok(settings)
    }

    /// Where methods are called, with a slash at the end.
    pub(crate) fn base(&self) -> Result<Url> {
        let base = self.api_base_url.as_deref().unwrap_or("https://slack.com/api");
        let url = Url::parse(&format!("{}/", base.trim_end_matches('/')))
            .map_err(|_| misconfigured("apiBaseUrl is not a URL"))?;
        let is_slack = url.scheme() == "https" && matches!(url.host_str(), Some("slack.com" | "slack-gov.com"));
        match (is_slack || is_loopback(&url)) && url.query().is_none() && url.fragment().is_none() {
            true => Ok(url),
            false => Err(misconfigured("apiBaseUrl is neither Slack's nor on this machine")),
        }
    }

    /// The `Authorization` header, marked as sensitive so that no HTTP library prints it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.bot_token.trim()))
            .map_err(|_| misconfigured("botToken has characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

pub(crate) fn misconfigured(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("{}: settings: {why}", crate::ID))
}
