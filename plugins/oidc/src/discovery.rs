//! What a provider says of itself (OpenID Connect Discovery 1.0).

use std::time::Duration;

use consigne_sdk::{
    Egress, EgressRequest, EgressResponse, PluginError, PluginErrorKind, Result,
    egress::{
        Method,
        header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue},
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{invalid, misconfigured};

/// Longest answer of a provider, in bytes.
pub(crate) const LONGEST: usize = 256 * 1024;

/// From the first byte out to the last byte in.
pub(crate) const WHOLE: Duration = Duration::from_secs(6);

/// The parts that are used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub claims_parameter_supported: bool,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Asks a provider about itself.
pub(crate) async fn metadata(egress: &Egress, issuer: &str) -> Result<Metadata> {
    let address = Url::parse(issuer).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
    let address = address.ok_or_else(|| misconfigured("the issuer is no URL, or has a query"))?;
    let document = format!("{}/.well-known/openid-configuration", address.as_str().trim_end_matches('/'));
    let document = Url::parse(&document).map_err(|_| misconfigured("the issuer is no URL"))?;
    let metadata: Metadata = get(egress, document, HeaderMap::new()).await?;
    if metadata.issuer != issuer {
        return Err(invalid("what is found at the issuer's address is another issuer"));
    }
    // Where a browser is sent is checked too: nobody is sent to a script, or into a network that is not theirs.
    let named = [Some(&metadata.authorization_endpoint), Some(&metadata.token_endpoint), Some(&metadata.jwks_uri)];
    for url in named.into_iter().chain([metadata.userinfo_endpoint.as_ref()]).flatten() {
        egress.check(url)?;
    }
    Ok(metadata)
}

/// JSON from a provider.
pub(crate) async fn get<T: DeserializeOwned>(egress: &Egress, url: Url, mut headers: HeaderMap) -> Result<T> {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // A body that grows when it is unpacked is bounded best by not being packed.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let asked = async {
        let request = EgressRequest { method: Method::GET, url, headers, json: None, timeout: WHOLE };
        let response = egress.send(request).await?;
        match response.status {
            200 => read(response).await,
            429 | 500.. => Err(unavailable("the provider has a fault of its own")),
            _ => Err(invalid("the provider does not have what it has to")),
        }
    };
    within(asked).await
}

/// The body, read as JSON.
pub(crate) async fn read<T: DeserializeOwned>(response: EgressResponse) -> Result<T> {
    let body = response.whole(LONGEST).await?.ok_or_else(|| invalid("the answer is too long"))?;
    serde_json::from_slice(&body).map_err(|_| invalid("the answer is not what the protocol says"))
}

/// No provider holds anybody up for longer than that.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(WHOLE, work).await {
        Ok(done) => done,
        Err(_) => Err(unavailable("no whole answer in time")),
    }
}

pub(crate) fn unavailable(what: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("oidc: {what}"))
}
