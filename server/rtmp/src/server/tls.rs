//! The certificate that encoders see on RTMPS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Certificate and key, read and checked.
#[derive(Clone)]
pub struct ServerTls(pub(super) TlsAcceptor);

#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    #[error("the certificate cannot be read: {0}")]
    Certificate(rustls::pki_types::pem::Error),
    #[error("the key of the certificate cannot be read: {0}")]
    Key(rustls::pki_types::pem::Error),
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl ServerTls {
    /// Of PEM files: the certificate with its chain, and its key.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, ServerTlsError> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(ServerTlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(ServerTlsError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
