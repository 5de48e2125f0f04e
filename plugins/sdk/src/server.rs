//! What the settings of plugins that speak to a server have in common: its address, its key, and what is declared about
//! whoever operates it. Errors name the setting and never its value: it may be the key.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::{PluginError, PluginErrorKind, Processing, Region, Result, Safeguard, egress::is_loopback};

/// What is declared as the safeguard of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeclaredSafeguard {
    /// Nothing leaves the EEA.
    NotNeeded,
    /// An adequacy decision covers the country (art. 45).
    Adequacy,
    /// Standard contractual clauses are signed (art. 46).
    StandardClauses,
}

/// The settings of one plugin, by its id, which errors name.
#[derive(Debug, Clone, Copy)]
pub struct SettingsOf(pub &'static str);

impl SettingsOf {
    /// Reads settings.
    ///
    /// # Errors
    /// `Misconfigured`, here and below.
    pub fn read<S: DeserializeOwned>(self, settings: Value) -> Result<S> {
        serde_json::from_value(settings).map_err(|_| self.unusable("they do not fit the schema"))
    }

    /// An address with http or https and a host.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn address(self, setting: &str, text: &str) -> Result<Url> {
        let url = Url::parse(text).map_err(|_| self.unusable(&format!("{setting} is not a URL")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(self.unusable(&format!("{setting} is neither http nor https")));
        }
        Ok(url)
    }

    /// Lets plain http through to this machine, and elsewhere where somebody said so.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn check_plain_http(self, setting: &str, url: &Url, is_allowed: bool) -> Result<()> {
        if url.scheme() == "http" && !is_allowed && !is_loopback(url) {
            let why = format!("{setting} is plain http off this machine, and allowPlainHttp is not set");
            return Err(self.unusable(&why));
        }
        Ok(())
    }

    /// The key as the value of a header, behind `before`; none where it is empty.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn key<V: FromStr>(self, before: &str, key: Option<&str>) -> Result<Option<V>> {
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
        let value = format!("{before}{key}").parse();
        value.map(Some).map_err(|_| self.unusable("apiKey has characters that no header can carry"))
    }

    /// `LOCAL`, `EEA`, or two capital letters.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn check_region(self, region: Option<&str>) -> Result<()> {
        let is_country = |region: &str| region.len() == 2 && region.bytes().all(|b| b.is_ascii_uppercase());
        if region.is_none_or(|region| matches!(region, "LOCAL" | "EEA") || is_country(region)) {
            return Ok(());
        }
        Err(self.unusable("region is neither LOCAL, EEA nor a country code"))
    }

    /// What a person has to change.
    pub fn unusable(self, why: &str) -> PluginError {
        PluginError::new(PluginErrorKind::Misconfigured, format!("{}: settings: {why}", self.0))
    }
}

/// Whether the server is this installation's own. A statement always wins: a server on this machine may be a tunnel to
/// somewhere else. Only where no region is stated does a loopback address say so.
pub fn is_local(region: Option<&str>, url: Option<&Url>) -> bool {
    match region {
        Some(region) => region == "LOCAL",
        None => url.is_some_and(is_loopback),
    }
}

/// What was declared, in the place of "undeclared".
pub fn declare(
    processing: &mut Processing,
    operator: Option<&str>,
    region: Option<&str>,
    safeguard: Option<DeclaredSafeguard>,
) {
    if let Some(operator) = operator {
        operator.clone_into(&mut processing.operator);
    }
    if let Some(region) = region.filter(|region| *region != "LOCAL") {
        processing.region = Region::of_code(region);
    }
    if let Some(safeguard) = safeguard {
        processing.safeguard = match safeguard {
            DeclaredSafeguard::NotNeeded => Safeguard::NotNeeded,
            DeclaredSafeguard::Adequacy => Safeguard::Adequacy,
            DeclaredSafeguard::StandardClauses => Safeguard::StandardClauses,
        };
    }
}
