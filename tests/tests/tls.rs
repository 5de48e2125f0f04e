//! The public address over TLS: version 1.3 alone, and a certificate that is renewed without a restart.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result};
use consigne_tests::{app::TestApp, client::Client};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

/// Makes a certificate for localhost, writes it where the gateway reads it, and answers it.
fn renew(folder: &Path) -> Result<CertificateDer<'static>> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()])?;
    fs::write(folder.join("chain.pem"), cert.pem())?;
    fs::write(folder.join("key.pem"), signing_key.serialize_pem())?;
    Ok(CertificateDer::from_pem_slice(cert.pem().as_bytes())?)
}

/// Shakes hands, trusting this certificate alone; answers the version.
async fn shake_hands(
    url: &str,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ProtocolVersion> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone())?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let address = url.trim_start_matches("https://").to_owned();
    let stream = TcpStream::connect(address).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, stream).await?;
    stream.get_ref().1.protocol_version().context("no version was agreed on")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_address_speaks_tls_1_3_and_nothing_older() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let certificate = renew(folder.path())?;
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let flags = ["--tls-certificate", &chain.to_string_lossy(), "--tls-key", &key.to_string_lossy()];
    let app = TestApp::start_with(&flags).await?;
    let url = app.url().to_owned();
    assert_eq!(shake_hands(&url, &certificate, &[&TLS13]).await?, ProtocolVersion::TLSv1_3);
    assert!(shake_hands(&url, &certificate, &[&TLS12]).await.is_err());

    let port = url.rsplit(':').next().unwrap_or_default();
    let browser = Client::trusting(&format!("https://localhost:{port}"), &fs::read(&chain)?)?;
    let reply = browser.request(Method::POST, "/graphql").json(&json!({"query": "{ __typename }"})).send().await?;
    assert_eq!(reply.headers()["strict-transport-security"], "max-age=31536000");
    assert_eq!(reply.json::<Value>().await?["data"]["__typename"], "Query");
    // Plain HTTP on the same address is no answer.
    let plain = Client::new(&format!("http://localhost:{port}"));
    assert!(plain.request(Method::GET, "/healthz").send().await.is_err());
    Ok(())
}
