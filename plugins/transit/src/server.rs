//! Calls, and what their answers mean.

use std::{ops::RangeInclusive, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use consigne_sdk::{
    Egress, EgressRequest, KeyServer, PluginError, PluginErrorKind, Result,
    egress::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use crate::{Settings, misconfigured};

/// A call is made again after these pauses where the server is down or busy.
const PAUSES: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(600)];

/// The longest answer, in bytes.
const LONGEST: usize = 1 << 20;

pub(crate) struct Transit {
    egress: Egress,
    base: Url,
    mount: String,
    key: String,
    headers: HeaderMap,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct KeyFacts {
    derived: bool,
    latest_version: u32,
    min_decryption_version: u32,
    #[serde(default)]
    supports_encryption: Option<bool>,
}

#[derive(Deserialize)]
struct Sealed {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Plain {
    plaintext: String,
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Transit {
    pub fn new(settings: Settings, egress: Egress) -> Result<Self> {
        let base = Url::parse(&settings.url).map_err(|_| misconfigured("its address cannot be read"))?;
        let is_name = |name: &str| {
            // No part of a path that leads elsewhere.
            let is_plain = !name.is_empty() && !name.starts_with('.');
            is_plain && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !is_name(&settings.key) || !settings.mount.split('/').all(is_name) {
            return Err(misconfigured("the names of the engine and of the key are letters, digits, - _ and ."));
        }
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-vault-request"), HeaderValue::from_static("true"));
        for (name, value) in [("x-vault-token", &settings.token), ("x-vault-namespace", &settings.namespace)] {
            let Some(value) = value else { continue };
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| misconfigured(&format!("{name} is not what a header holds")))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let timeout = Duration::from_millis(settings.timeout_millis);
        Ok(Self { egress, base, mount: settings.mount, key: settings.key, headers, timeout })
    }

    async fn call(&self, method: Method, what: &str, behind: &str, body: Option<Value>) -> Result<(u16, Vec<u8>)> {
        let mut body = body.map(Wiped);
        let mut pauses = PAUSES.into_iter();
        loop {
            let answered = self.try_once(method.clone(), what, behind, body.as_mut()).await;
            let (Err(error), Some(pause)) = (&answered, pauses.next()) else { return answered };
            if !error.is_retryable() {
                return answered;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(
        &self,
        method: Method,
        what: &str,
        behind: &str,
        body: Option<&mut Wiped>,
    ) -> Result<(u16, Vec<u8>)> {
        let (mount, key) = (&self.mount, &self.key);
        let url = self.base.join(&format!("/v1/{mount}/{what}/{key}{behind}"));
        let url = url.map_err(|_| misconfigured("its address cannot be used"))?;
        let json = body.map(|body| body.0.clone());
        let request = EgressRequest { method, url, headers: self.headers.clone(), json, timeout: self.timeout };
        let response = self.egress.send(request).await?;
        let status = response.status;
        let whole = tokio::time::timeout(self.timeout, response.whole(LONGEST)).await;
        let whole = whole.map_err(|_| unavailable("no answer in time"))??;
        let bytes = whole.ok_or_else(|| invalid("the answer is longer than an answer can be"))?.to_vec();
        match status {
            200..=299 => Ok((status, bytes)),
            // 429, 472 and 473 are how nodes that stand by answer, 503 one that is sealed.
            429 | 472 | 473 | 500..=599 => Err(unavailable(&format!("it answers {status}"))),
            400 => Err(PluginError::new(PluginErrorKind::Refused, "The Transit server refuses that (400).")),
            403 => Err(misconfigured("the token is not allowed to do that (403)")),
            404 => Err(misconfigured(&format!("there is no key {key} below {mount} (404)"))),
            _ => Err(invalid(&format!("it answers {status}"))),
        }
    }

    async fn ask<T: for<'a> Deserialize<'a>>(&self, method: Method, what: &str, body: Option<Value>) -> Result<T> {
        let (_, mut bytes) = self.call(method, what, "", body).await?;
        let answer = serde_json::from_slice::<Answer<T>>(&bytes);
        bytes.zeroize();
        answer.map(|answer| answer.data).map_err(|_| invalid("the answer cannot be read"))
    }

    async fn facts(&self) -> Result<KeyFacts> {
        self.ask(Method::GET, "keys", None).await
    }

    fn sealed(&self, version: u32, sealed: Sealed) -> Result<String> {
        match sealed.ciphertext.starts_with(&format!("vault:v{version}:")) {
            true => Ok(sealed.ciphertext),
            false => Err(invalid("it sealed by another version than it was asked for")),
        }
    }
}

#[async_trait]
impl KeyServer for Transit {
    async fn versions(&self) -> Result<RangeInclusive<u32>> {
        let facts = self.facts().await?;
        if !facts.derived || facts.supports_encryption == Some(false) {
            return Err(misconfigured(&format!(
                "the key {} cannot bind what it seals to a place; make one with `vault write -f {}/keys/NAME derived=true`",
                self.key, self.mount
            )));
        }
        if facts.latest_version == 0 || facts.min_decryption_version > facts.latest_version {
            return Err(invalid("its key has no version"));
        }
        Ok(facts.min_decryption_version.max(1)..=facts.latest_version)
    }

    async fn seal(&self, version: u32, place: &[u8], plain: &[u8]) -> Result<String> {
        let body = json!({
            "plaintext": BASE64_STANDARD.encode(plain),
            "context": BASE64_STANDARD.encode(place),
            "key_version": version,
        });
        self.sealed(version, self.ask(Method::POST, "encrypt", Some(body)).await?)
    }

    async fn open(&self, place: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let body = json!({ "ciphertext": sealed, "context": BASE64_STANDARD.encode(place) });
        let plain: Plain = self.ask(Method::POST, "decrypt", Some(body)).await?;
        let bytes = BASE64_STANDARD.decode(&plain.plaintext).map_err(|_| invalid("what it opened cannot be read"))?;
        Ok(Zeroizing::new(bytes))
    }

    async fn seal_again(&self, version: u32, place: &[u8], sealed: &str) -> Result<String> {
        let body = json!({
            "ciphertext": sealed,
            "context": BASE64_STANDARD.encode(place),
            "key_version": version,
        });
        self.sealed(version, self.ask(Method::POST, "rewrap", Some(body)).await?)
    }

    async fn rotate(&self) -> Result<u32> {
        // Not made again where the answer got lost: the versions tell what became of it.
        let before = self.facts().await?.latest_version;
        match self.try_once(Method::POST, "keys", "/rotate", Some(&mut Wiped(json!({})))).await {
            Ok(_) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
        match self.facts().await?.latest_version {
            after if after > before => Ok(after),
            _ => Err(unavailable("it made no other version")),
        }
    }

    async fn retire_before(&self, version: u32) -> Result<bool> {
        let body = json!({ "min_decryption_version": version, "min_encryption_version": version });
        match self.call(Method::POST, "keys", "/config", Some(body)).await {
            Ok(_) => Ok(self.facts().await?.min_decryption_version >= version),
            Err(error) if error.message.contains("(403)") => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A body with a key in it, overwritten when it is not needed any more.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        if let Some(Value::String(plain)) = self.0.get_mut("plaintext") {
            plain.zeroize();
        }
    }
}

fn unavailable(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("The Transit server cannot be used: {why}."))
}

fn invalid(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::InvalidResponse, format!("The Transit server: {why}."))
}
