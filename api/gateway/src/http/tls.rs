//! TLS of the public address: version 1.3 and nothing older (RFC 8446), by rustls.
//!
//! The certificate is read again when its files change, so that a renewal needs no restart. One that cannot be used is
//! logged, and the one that worked stays.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain in PEM, the server's own certificate first.
    pub chain: PathBuf,
    /// Its private key in PEM (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// The certificate that is shown now. Cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// A file cannot be read, holds no certificate or no key, or the two do not belong together.
    pub fn read(files: CertificateFiles) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown = RwLock::new(Arc::new(load(&files, &provider)?));
        Ok(Self(Arc::new(Inner { files, provider, shown })))
    }

    /// The settings of a server that shows it.
    ///
    /// # Errors
    /// The provider knows no suite of TLS 1.3.
    pub fn server_config(&self) -> Result<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(self.0.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .context("TLS 1.3 is not to be had")?;
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone())))
    }

    /// Shows what the files hold now.
    ///
    /// # Errors
    /// As [`Certificate::read`]; the earlier one stays.
    pub fn reload(&self) -> Result<()> {
        let loaded = Arc::new(load(&self.0.files, &self.0.provider)?);
        *self.0.shown.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Reloads whenever the files change, until the task is aborted.
    pub fn follow(&self) -> JoinHandle<()> {
        let certificate = self.clone();
        tokio::spawn(async move {
            let mut seen = certificate.0.files.changed_at();
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let now = certificate.0.files.changed_at();
                if now == seen {
                    continue;
                }
                match certificate.reload() {
                    Ok(()) => tracing::info!("a new certificate is shown"),
                    // Half written, perhaps: the next look tries again.
                    Err(error) => {
                        tracing::warn!(%error, "the new certificate cannot be used; the earlier one is shown");
                        continue;
                    }
                }
                seen = now;
            }
        })
    }
}

impl CertificateFiles {
    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
        [changed(&self.chain), changed(&self.key)]
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.shown.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.0.files).finish()
    }
}

fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let (chain, key) = (files.chain.display(), files.key.display());
    let certificates = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the certificate {chain} cannot be read"))?;
    ensure!(!certificates.is_empty(), "{chain} holds no certificate in PEM");
    let secret =
        PrivateKeyDer::from_pem_file(&files.key).with_context(|| format!("the private key {key} cannot be read"))?;
    CertifiedKey::from_der(certificates, secret, provider)
        .with_context(|| format!("the certificate {chain} and the key {key} do not belong together"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renew(files: &CertificateFiles) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&files.chain, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn files(folder: &Path) -> CertificateFiles {
        CertificateFiles { chain: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    fn shown(certificate: &Certificate) -> CertificateDer<'static> {
        certificate.0.shown.read().unwrap().cert[0].clone()
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let first = renew(&files);
        let certificate = Certificate::read(files.clone()).unwrap();
        assert_eq!(shown(&certificate), first);
        let second = renew(&files);
        certificate.reload().unwrap();
        assert_eq!(shown(&certificate), second);
        std::fs::write(&files.key, "half of a").unwrap();
        assert!(certificate.reload().is_err());
        assert_eq!(shown(&certificate), second);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        renew(&files);
        let chain = std::fs::read(&files.chain).unwrap();
        renew(&files);
        std::fs::write(&files.chain, chain).unwrap();
        let refused = Certificate::read(files.clone()).unwrap_err().to_string();
        assert!(refused.contains("do not belong together"), "{refused}");
        std::fs::write(&files.chain, "").unwrap();
        assert!(Certificate::read(files).unwrap_err().to_string().contains("no certificate"));
    }
}
