//! The certificate and key of a server.

use pgwire::tokio::TlsAcceptor;
use pgwire::tokio::tokio_rustls::rustls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use syntrace_base::error::{Error, Result, io_error};

/// Reads a certificate chain and its private key. Never falls back to no encryption.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unusable = |what: &str, path: &Path, why: String| {
        Error::user(format!("expected {what} in PEM in `{}`: {why}", path.display()))
    };
    let read = |path: &Path| std::fs::read(path).map_err(|error| io_error("read", path, &error));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| unusable("a certificate", certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("a certificate", certificate, "there is none".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| unusable("a private key", key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("no TLS version to offer: {error}")))?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, secret).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        Error::user(format!("certificate `{certificate}` and key `{key}` do not match: {error}"))
    })?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
