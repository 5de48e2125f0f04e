//! Checks of settings that several plugins take. A message names the setting and never its value: it may be the key.

use url::Url;

use crate::{PluginError, Result, egress::header::HeaderValue, server::SettingsOf};

/// The checks of the plugin of this id.
#[derive(Debug, Clone, Copy)]
pub struct Checks(pub &'static str);

impl Checks {
    /// The base URL, which may be plain http only on this machine or where that was allowed.
    ///
    /// # Errors
    /// `Misconfigured`, here and below.
    pub fn base(self, base_url: &str, allow_plain_http: bool) -> Result<Url> {
        let url = self.server().address("baseUrl", base_url)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.misconfigured("baseUrl has a query or a fragment"));
        }
        self.server().check_plain_http("baseUrl", &url, allow_plain_http)?;
        Ok(url)
    }

    /// The model's name.
    pub fn model(self, model: &str) -> Result<()> {
        if model.trim().is_empty() { Err(self.misconfigured("model is empty")) } else { Ok(()) }
    }

    /// The sampling temperature, up to `most`.
    pub fn temperature(self, temperature: Option<f64>, most: f64) -> Result<()> {
        match temperature {
            Some(t) if !(0.0..=most).contains(&t) => Err(self.misconfigured("temperature is out of bounds")),
            _ => Ok(()),
        }
    }

    /// The longest answer.
    pub fn max_tokens(self, max_tokens: Option<u32>) -> Result<()> {
        if max_tokens == Some(0) { Err(self.misconfigured("maxTokens is 0")) } else { Ok(()) }
    }

    /// The time for an answer.
    pub fn timeout(self, seconds: u64) -> Result<()> {
        match seconds {
            1..=600 => Ok(()),
            _ => Err(self.misconfigured("timeoutSeconds is outside 1 to 600")),
        }
    }

    /// The declared region.
    pub fn region(self, region: Option<&str>) -> Result<()> {
        self.server().check_region(region)
    }

    /// A header with a secret in it, marked as sensitive so that no HTTP library prints it.
    pub fn secret_header(self, value: &str) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| self.misconfigured("apiKey has characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// An error about the settings.
    pub fn misconfigured(self, why: &str) -> PluginError {
        self.server().unusable(why)
    }

    fn server(self) -> SettingsOf {
        SettingsOf(self.0)
    }
}

/// The address of `path` below a base URL.
pub fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}
