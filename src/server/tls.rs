//! TLS of the server's own: 1.3 and 1.2 with forward secrecy and authenticated encryption only, which is all that rustls
//! with ring offers. Certificates are read again when their files change.

use crate::config::TlsFiles;
use crate::fault::Fault;
use arc_swap::ArcSwap;
use rustls::crypto::ring as provider;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// The certificate in use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    certificate: Vec<u8>,
    key: Vec<u8>,
    certified: Arc<CertifiedKey>,
}

impl Certificates {
    /// Reads the certificate chain and its key.
    ///
    /// # Errors
    /// When a file cannot be read, is not PEM, or the key is not that of the certificate.
    pub async fn open(files: &TlsFiles) -> Result<Self, Fault> {
        let (certificate, key) = read(files).await?;
        Ok(Self(Arc::new(Inner {
            files: files.clone(),
            current: ArcSwap::from_pointee(load(certificate, key)?),
        })))
    }

    /// Reads the files again, and gives whether they had changed. Connections that exist keep what they have.
    ///
    /// # Errors
    /// As [`Certificates::open`], for instance while only one of the two files has been replaced; the certificate in use
    /// stays.
    pub async fn reload(&self) -> Result<bool, Fault> {
        let (certificate, key) = read(&self.0.files).await?;
        let current = self.0.current.load();
        if certificate == current.certificate && key == current.key {
            return Ok(false);
        }
        self.0.current.store(Arc::new(load(certificate, key)?));
        Ok(true)
    }

    /// How connections are accepted.
    ///
    /// # Errors
    /// When the library refuses its own defaults, which is a defect.
    pub fn server_config(&self, tls_1_3_only: bool) -> Result<ServerConfig, Fault> {
        let fault = |error| Fault::internal("TLS cannot be set up").caused_by(error);
        let versions: &[_] = if tls_1_3_only {
            &[&TLS13]
        } else {
            &[&TLS13, &TLS12]
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_protocol_versions(versions)
            .map_err(fault)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = provider::Ticketer::new().map_err(fault)?;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.load().certified))
    }
}

async fn read(files: &TlsFiles) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let mut read = Vec::with_capacity(2);
    for path in [&files.certificate, &files.key] {
        let bytes = tokio::fs::read(path).await.map_err(|error| {
            Fault::internal(format!("{} cannot be read", path.display())).caused_by(error)
        })?;
        read.push(bytes);
    }
    let key = read.pop().unwrap_or_default();
    Ok((read.pop().unwrap_or_default(), key))
}

fn load(certificate: Vec<u8>, key: Vec<u8>) -> Result<Loaded, Fault> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| Fault::internal("the TLS certificate is not PEM").caused_by(error))?;
    if chain.is_empty() {
        return Err(Fault::internal("the TLS certificate file holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| Fault::internal("the TLS key is not a private key in PEM").caused_by(error))?;
    let certified =
        CertifiedKey::from_der(chain, private, &provider::default_provider()).map_err(|error| {
            Fault::internal("the TLS key cannot be used, or is not the certificate's").caused_by(error)
        })?;
    Ok(Loaded {
        certificate,
        key,
        certified: Arc::new(certified),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::SupportedCipherSuite;

    #[test]
    fn every_cipher_suite_is_ecdhe_with_aead() {
        for suite in provider::default_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(
                name.contains("GCM") || name.contains("CHACHA20_POLY1305"),
                "{name}"
            );
            if matches!(suite, SupportedCipherSuite::Tls12(_)) {
                assert!(name.starts_with("TLS_ECDHE_"), "{name}");
            }
        }
    }
}
