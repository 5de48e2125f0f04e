//! A bare connection, for a protocol that is not one request and one response over HTTP: gRPC, mail.
//!
//! The rules are those of [`Egress::send`]: a host the manifest names, TLS 1.3, plain text only where it is allowed.

use std::{pin::Pin, sync::Arc, time::Duration};

use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};
use url::Url;

use super::{Egress, unavailable};
use crate::{PluginError, PluginErrorKind, Result};

/// Longest wait for a connection, and again for its handshake.
const LONGEST_CONNECT: Duration = Duration::from_secs(3);

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Send + Sync> Duplex for T {}

/// A connection to an allowed host, encrypted where the URL says `https`.
pub type EgressConnection = Pin<Box<dyn Duplex>>;

/// What a TLS handshake agrees on, beyond the version.
#[derive(Debug, Clone)]
pub struct TlsTerms {
    /// The protocol inside, as ALPN names it: `h2`; empty for one that has no name there.
    pub protocol: &'static str,
    /// PEM certificates of the authorities that alone are trusted; those of the system where there are none.
    pub authorities: Option<String>,
}

impl Egress {
    /// Connects to the host and port of `url`, whose path is ignored.
    ///
    /// # Errors
    /// `HostNotAllowed`; `Misconfigured` where the authorities cannot be read; `Unavailable` where nobody answers in
    /// time, or answers as somebody else.
    pub async fn connect(&self, url: &Url, terms: &TlsTerms) -> Result<EgressConnection> {
        let socket = self.reach(url).await?;
        if url.scheme() != "https" {
            return Ok(Box::pin(socket));
        }
        self.encrypt(socket, url, terms).await
    }

    /// Connects in plain text to a host that has to be spoken to over TLS, for a protocol that agrees on TLS inside
    /// (STARTTLS). `url` says `https`; nothing but the agreement may be said before [`Upgradable::upgrade`].
    ///
    /// # Errors
    /// As [`Egress::connect`].
    pub async fn connect_to_upgrade(&self, url: &Url, terms: &TlsTerms) -> Result<Upgradable> {
        let socket = self.reach(url).await?;
        Ok(Upgradable { socket, egress: self.clone(), url: url.clone(), terms: terms.clone() })
    }

    async fn reach(&self, url: &Url) -> Result<TcpStream> {
        self.check(url)?;
        if self.internet {
            return Err(self.refuse(url, "hosts of the public internet are reached by requests alone"));
        }
        let away = |why: &str| unavailable(self.plugin, url, why);
        let port = url.port_or_known_default().unwrap_or_default();
        let socket = match timeout(LONGEST_CONNECT, TcpStream::connect((bare_host(url), port))).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(_)) => return Err(away("no connection")),
            Err(_) => return Err(away("no answer in time")),
        };
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }

    async fn encrypt(&self, socket: TcpStream, url: &Url, terms: &TlsTerms) -> Result<EgressConnection> {
        let away = |why: &str| unavailable(self.plugin, url, why);
        let host = bare_host(url).to_owned();
        let name = ServerName::try_from(host).map_err(|_| away("no name that a certificate could carry"))?;
        let connector = TlsConnector::from(Arc::new(client_config(terms)?));
        match timeout(LONGEST_CONNECT, connector.connect(name, socket)).await {
            Ok(Ok(stream)) => Ok(Box::pin(stream)),
            Ok(Err(_)) => Err(away("the TLS handshake failed")),
            Err(_) => Err(away("no TLS handshake in time")),
        }
    }
}

/// An address without the brackets that a URL puts around one of IPv6.
fn bare_host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// A connection in plain text that is to become TLS.
pub struct Upgradable {
    socket: TcpStream,
    egress: Egress,
    url: Url,
    terms: TlsTerms,
}

impl Upgradable {
    /// The plain connection, for the agreement alone.
    pub fn plain(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Goes on in plain text, where that is allowed for the host.
    ///
    /// # Errors
    /// `HostNotAllowed`.
    pub fn stay_plain(self) -> Result<EgressConnection> {
        let mut url = self.url;
        let port = url.port_or_known_default();
        // Between two schemes that the URL standard calls special a change cannot fail.
        let _ = url.set_scheme("http").and_then(|()| url.set_port(port));
        self.egress.check(&url)?;
        Ok(Box::pin(self.socket))
    }

    /// The handshake. What came before it and was not read becomes part of it, and so breaks it.
    ///
    /// # Errors
    /// `Misconfigured` where the authorities cannot be read; `Unavailable`.
    pub async fn upgrade(self) -> Result<EgressConnection> {
        self.egress.encrypt(self.socket, &self.url, &self.terms).await
    }
}

impl TlsTerms {
    /// Whether the authorities can be read, for a check before the first connection.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn check(&self) -> Result<()> {
        client_config(self).map(drop)
    }
}

fn client_config(terms: &TlsTerms) -> Result<ClientConfig> {
    let internal = || PluginError::new(PluginErrorKind::Internal, "the TLS client could not be built");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| internal())?;
    let mut config = match &terms.authorities {
        Some(pem) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
        None => builder.with_platform_verifier().map_err(|_| internal())?.with_no_client_auth(),
    };
    if !terms.protocol.is_empty() {
        config.alpn_protocols.push(terms.protocol.as_bytes().to_vec());
    }
    Ok(config)
}

fn roots(pem: &str) -> Result<RootCertStore> {
    let unreadable = || PluginError::new(PluginErrorKind::Misconfigured, "the authorities are no PEM certificates");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| unreadable())?;
        roots.add(certificate).map_err(|_| unreadable())?;
    }
    if roots.is_empty() { Err(unreadable()) } else { Ok(roots) }
}
