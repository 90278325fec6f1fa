//! Whom to believe, and when.
//!
//! A device without a clock of its own starts in 1970, where no certificate is valid yet. That a
//! trusted authority made a certificate proves that its `notBefore` has passed; so a certificate
//! from the device's future moves the time of its check there instead of failing. Names, chains and
//! signatures are checked as ever, and nothing that has expired is taken: a clock that runs behind
//! would not notice that in any case.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

/// More certificates than any chain has.
const LONGEST_CHAIN: usize = 8;

/// The certificates to trust cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read the certificates {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// There is none that could be used.
    #[error("{0} holds no certificate of an authority")]
    Empty(String),
    /// The library refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whom the system trusts.
    System,
    /// The certificates in this file (PEM), and no others.
    Only(PathBuf),
}

impl Trust {
    /// From a setting that may be absent.
    pub(crate) fn from_file(ca_file: Option<&Path>) -> Self {
        ca_file.map_or(Self::System, |path| Self::Only(path.into()))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let source = match self {
            Self::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                "the system".into()
            }
            Self::Only(path) => {
                let unreadable = |source| TlsError::Unreadable {
                    path: path.clone(),
                    source,
                };
                let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
                let certificates: Result<Vec<_>, _> = certificates.collect();
                roots.add_parsable_certificates(certificates.map_err(unreadable)?);
                path.display().to_string()
            }
        };
        if roots.is_empty() {
            return Err(TlsError::Empty(source));
        }
        Ok(roots)
    }

    /// Whether the certificates can be read.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        self.roots().map(drop)
    }

    pub(super) fn connector(&self) -> Result<TlsConnector, TlsError> {
        Ok(TlsConnector::from(Arc::new(patient(self)?)))
    }
}

/// A client's settings that bear a clock which runs behind.
pub(crate) fn patient(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let setup = |message: &dyn std::fmt::Display| TlsError::Setup(message.to_string());
    let provider = Arc::new(default_provider());
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(trust.roots()?), provider.clone());
    let verifier = Patient(inner.build().map_err(|e| setup(&e))?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| setup(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// What to look at when a handshake failed.
pub(super) fn hint(error: &io::Error) -> &'static str {
    let cause = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired, or the clock of this device runs ahead",
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is not of a trusted authority; is ca_file right?"
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another name",
        _ => "the handshake failed",
    }
}

#[derive(Debug)]
struct Patient(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Patient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |at| {
            let inner = &self.0;
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
        };
        let mut result = verify(now);
        for _ in 0..LONGEST_CHAIN {
            let Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            })) = result
            else {
                break;
            };
            result = verify(not_before);
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
