//! The only way out: a client that refuses every host the manifest does not name.
//!
//! A host is compared whole, in the form the URL standard gives it (lower case, punycode, canonical addresses), so a
//! look-alike, a suffix or an odd spelling of an address is another host. A redirect comes back as it is: following it
//! would reach a host nobody named. TLS 1.3 alone keeps the handshake to ciphers with forward secrecy.
//!
//! [`Egress::send`] speaks HTTP, and so does [`Egress::send_form`]; [`Egress::connect`] hands out a bare connection, under the same rules, to a plugin
//! whose product speaks something else, and [`Egress::connect_to_upgrade`] one that begins in plain text and becomes
//! TLS under the same rules.
//!
//! [`Domains`] asks the domain name system what a domain says of itself.
//!
//! Where a manifest says [`HostRule::PublicInternet`], because customers name the hosts, [`guard`] decides: https on port
//! 443, to addresses that are on the public internet and were checked before they are connected to.

mod connection;
mod form;
mod names;

pub mod guard;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
pub use reqwest::{Method, header};
use reqwest::{RequestBuilder, header::HeaderMap, redirect::Policy, tls::Version};
use serde_json::Value;
use url::{Host, Url};

use self::guard::{Guarded, LookUp, NotPublic};
pub use self::{
    connection::{Duplex, EgressConnection, TlsTerms, Upgradable},
    names::Domains,
};
use crate::{HostRule, Manifest, PluginError, PluginErrorKind, Result, model_server::wipe::wipe};

/// Longest silence of the other side inside a body.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// Requests to hosts that a plugin did not declare, in this process, since they were counted last.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How many requests to hosts that their plugin did not declare were refused in this process since the last call.
pub fn take_refused() -> u64 {
    REFUSED.swap(0, Ordering::Relaxed)
}

/// Where a plugin may connect: a host as the URL standard writes it, and whether plain http is allowed there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AllowedHost {
    host: String,
    plain_http: bool,
}

/// A way out for one plugin under one set of settings. TLS 1.3 only, no redirects, no proxy from the environment.
#[derive(Clone)]
pub struct Egress {
    plugin: &'static str,
    allowed: Vec<AllowedHost>,
    /// Addresses that may be reached though they are inside, over plain http too.
    addresses: Vec<SocketAddr>,
    /// Whether every guarded host may be reached.
    internet: bool,
    look_up: LookUp,
    client: reqwest::Client,
}

/// A request to an outside party.
pub struct EgressRequest {
    /// `GET`, `POST`, ...
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers; mark secret ones as sensitive.
    pub headers: HeaderMap,
    /// JSON body.
    pub json: Option<Value>,
    /// Until the response's head; the body has its own time-outs.
    pub timeout: Duration,
}

/// A response whose body is read as it comes.
pub struct EgressResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body in the pieces the network made of it.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl Egress {
    /// The way out that `manifest` allows under `settings`.
    ///
    /// # Errors
    /// `Misconfigured` where a setting that names a host is no usable URL.
    pub fn new(manifest: &Manifest, settings: &Value) -> Result<Self> {
        Self::with_look_up(manifest, settings, guard::system())
    }

    fn with_look_up(manifest: &Manifest, settings: &Value, look_up: LookUp) -> Result<Self> {
        let (mut allowed, mut addresses, mut internet) = (Vec::new(), Vec::new(), false);
        for rule in &manifest.hosts {
            match rule {
                HostRule::PublicInternet => internet = true,
                HostRule::Address(address) => addresses.push(*address),
                HostRule::Exact(host) => allowed.push(AllowedHost { host: host.to_lowercase(), plain_http: false }),
                HostRule::FromSetting(name) => {
                    if let Some(url) = settings.get(name).and_then(Value::as_str) {
                        allowed.push(host_of_setting(name, url, settings)?);
                    }
                }
            }
        }
        let client = build_client(internet.then(|| look_up.clone()))?;
        Ok(Self { plugin: manifest.id, allowed, addresses, internet, look_up, client })
    }

    /// The hosts that can be reached, for the register; `*` stands for the public internet.
    pub fn hosts(&self) -> Vec<String> {
        let named = self.allowed.iter().map(|a| a.host.clone());
        let internet = self.internet.then(|| "*".to_owned());
        named.chain(self.addresses.iter().map(SocketAddr::to_string)).chain(internet).collect()
    }

    /// Sends a request to an allowed host and returns as soon as the response's head is there. The JSON body is overwritten
    /// once it was handed over.
    ///
    /// # Errors
    /// `HostNotAllowed`; `Unavailable` where no answer came in time.
    pub async fn send(&self, mut request: EgressRequest) -> Result<EgressResponse> {
        self.check(&request.url)?;
        let mut builder = self.client.request(request.method, request.url.clone()).headers(request.headers);
        if let Some(json) = &mut request.json {
            builder = builder.json(json);
            wipe(json);
        }
        self.deliver(builder, request.url, request.timeout).await
    }

    async fn deliver(&self, builder: RequestBuilder, url: Url, timeout: Duration) -> Result<EgressResponse> {
        let response = match tokio::time::timeout(timeout, builder.send()).await {
            Err(_) => return Err(unavailable(self.plugin, &url, "no answer in time")),
            Ok(Err(error)) if NotPublic::caused(&error) => {
                return Err(self.refuse(&url, &NotPublic.to_string()));
            }
            Ok(Err(error)) => return Err(unavailable(self.plugin, &url, describe(&error))),
            Ok(Ok(response)) => response,
        };
        let plugin = self.plugin;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes_stream().map(move |piece| piece.map_err(|e| unavailable(plugin, &url, describe(&e))));
        Ok(EgressResponse { status, headers, body: body.boxed() })
    }

    /// Whether this URL may be reached at all, by its looks: nothing is looked up and nobody is connected to.
    ///
    /// # Errors
    /// `HostNotAllowed`.
    pub fn check(&self, url: &Url) -> Result<()> {
        if has_credentials(url) {
            return Err(self.refuse(url, "credentials go into headers, not into a URL"));
        }
        let host = url.host_str().unwrap_or_default();
        let mut allowed = self.allowed.iter().filter(|a| a.host == host).peekable();
        if allowed.peek().is_none() {
            return self.check_unnamed(url);
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if allowed.any(|a| a.plain_http) => Ok(()),
            "http" => Err(self.refuse(url, "plain http is allowed on loopback only")),
            _ => Err(self.refuse(url, "only http and https leave this process")),
        }
    }

    /// As [`Egress::check`], and looks the host up: whether it would be connected to, without connecting.
    ///
    /// # Errors
    /// `HostNotAllowed`; `Unavailable` where the name has no address.
    pub async fn look_up(&self, url: &Url) -> Result<()> {
        self.check(url)?;
        let Some(name) = url.domain() else { return Ok(()) };
        let found = (self.look_up)(name.to_owned()).await.unwrap_or_default();
        if found.is_empty() {
            return Err(unavailable(self.plugin, url, "the name has no address"));
        }
        let is_named = self.allowed.iter().any(|a| a.host == name);
        match is_named || found.iter().all(|address| guard::is_public(address.ip())) {
            true => Ok(()),
            false => Err(self.refuse(url, &NotPublic.to_string())),
        }
    }

    /// A host that the manifest does not name: an address that the operator let through, or the public internet.
    fn check_unnamed(&self, url: &Url) -> Result<()> {
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        let is_http = matches!(url.scheme(), "http" | "https");
        let port = url.port_or_known_default();
        let place = address.zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        if is_http && place.is_some_and(|place| self.addresses.contains(&place)) {
            return Ok(());
        }
        if !self.internet {
            return Err(self.refuse(url, "its manifest does not name that host"));
        }
        if url.scheme() != "https" || port != Some(443) {
            return Err(self.refuse(url, "the public internet is reached over https on port 443 alone"));
        }
        let is_public = match (address, url.domain()) {
            (Some(address), _) => guard::is_public(address),
            (None, Some(name)) => guard::is_public_name(name),
            (None, None) => false,
        };
        if is_public { Ok(()) } else { Err(self.refuse(url, "it is not on the public internet")) }
    }

    fn refuse(&self, url: &Url, why: &str) -> PluginError {
        let host = url.host_str().unwrap_or_default();
        // A host that a customer or a page named can name a person; one of a manifest cannot.
        let logged = if self.internet { "of the public internet" } else { host };
        tracing::warn!(plugin = self.plugin, host = logged, why, "egress refused");
        if !self.internet {
            REFUSED.fetch_add(1, Ordering::Relaxed);
        }
        PluginError::new(PluginErrorKind::HostNotAllowed, format!("{} may not reach {host}: {why}", self.plugin))
    }
}

impl EgressResponse {
    /// The whole body, or nothing where it is longer than that.
    ///
    /// # Errors
    /// `Unavailable` where it breaks off.
    pub async fn whole(mut self, most_bytes: usize) -> Result<Option<Bytes>> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.body.try_next().await? {
            if whole.len() + piece.len() > most_bytes {
                return Ok(None);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole.freeze()))
    }
}

/// The longest wait that is believed when the other side names one.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the other side asks to wait: `Retry-After`, as seconds or as a date (RFC 9110), counted from `now` in
/// milliseconds since 1970.
pub fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: u64 = match value.parse() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
            date.as_secs().saturating_sub(u64::try_from(now / 1_000).ok()?)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

fn host_of_setting(name: &str, url: &str, settings: &Value) -> Result<AllowedHost> {
    let misconfigured = |why: &str| PluginError::new(PluginErrorKind::Misconfigured, format!("setting {name}: {why}"));
    let url = server(url).ok_or_else(|| misconfigured("not a URL of http, https, smtp, smtps, imap or imaps"))?;
    if has_credentials(&url) {
        return Err(misconfigured("credentials go into a setting of their own, not into the URL"));
    }
    let host = url.host().ok_or_else(|| misconfigured("has no host"))?;
    let says = |name: &str| settings.get(name).and_then(Value::as_bool).unwrap_or(false);
    let declared = says("allowPlainHttp") || says("allowPlainText");
    Ok(AllowedHost { plain_http: declared || is_loopback(&url), host: host.to_string() })
}

/// A server's address as [`Egress`] compares it: `https` where the connection has to be encrypted, `http` where it
/// begins in plain text. The URL standard gives hosts one form under these two schemes alone.
///
/// `smtps` and `imaps` are TLS from the first byte, `smtp` and `imap` begin plain; a port that is left out is the one
/// that is registered for it (465, 993, 587, 143).
pub fn server(url: &str) -> Option<Url> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => return Url::parse(url).ok().filter(Url::has_host),
        "smtps" => ("https", 465),
        "imaps" => ("https", 993),
        "smtp" => ("http", 587),
        "imap" => ("http", 143),
        _ => return None,
    };
    // A scheme without a registered port tells whether one is written; the default of http would be swallowed.
    let is_written = Url::parse(&format!("mail://{rest}")).ok()?.port().is_some();
    let mut server = Url::parse(&format!("{scheme}://{rest}")).ok().filter(Url::has_host)?;
    if !is_written {
        server.set_port(Some(port)).ok()?;
    }
    Some(server)
}

/// `https://key@host` would be sent as an `Authorization` header that no plugin asked for.
fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a URL points at this machine, by its name or its address; nothing is looked up.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one home of outbound connections")]
fn build_client(guarded: Option<LookUp>) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder();
    if let Some(look_up) = guarded {
        builder = builder.dns_resolver(Guarded(look_up));
    }
    builder
        .tls_backend_rustls()
        .tls_version_min(Version::TLS_1_3)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(LONGEST_SILENCE)
        .build()
        .map_err(|_| PluginError::new(PluginErrorKind::Internal, "the TLS client could not be built"))
}

fn unavailable(plugin: &str, url: &Url, why: &str) -> PluginError {
    let host = url.host_str().unwrap_or_default();
    PluginError::new(PluginErrorKind::Unavailable, format!("{plugin}: {host}: {why}"))
}

/// A reason without the URL, whose path or query may hold a secret.
fn describe(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    }
}
