//! Whom to trust on RTMPS.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::PublishError;

/// The machine's certificate authorities, and those in `extra` (PEM). Takes some milliseconds and about a megabyte: one for
/// all destinations.
pub fn tls_config(extra: Option<&Path>) -> Result<Arc<ClientConfig>, PublishError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate authority of this machine cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = extra {
        let unreadable = |_| PublishError::Tls(format!("{} cannot be read", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            let certificate = certificate.map_err(unreadable)?;
            roots
                .add(certificate)
                .map_err(|error| PublishError::Tls(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "no certificate authorities: install ca-certificates; RTMPS destinations will be refused"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PublishError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
