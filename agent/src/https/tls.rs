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
        // The second: of an authority of the same name with another key.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "its certificate is not of a trusted authority; is ca_file right?",
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    struct Authority {
        params: CertificateParams,
        key: KeyPair,
        _folder: tempfile::TempDir,
        trust: Trust,
    }

    fn authority() -> Authority {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2046, 1, 1);
        let pem = params.self_signed(&key).expect("signed").pem();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, pem).expect("written");
        Authority {
            params,
            key,
            _folder: folder,
            trust: Trust::Only(path),
        }
    }

    impl Authority {
        /// A certificate of 2030 for `idp.example`.
        fn issue(&self) -> CertificateDer<'static> {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(["idp.example".to_owned()]).expect("params");
            params.not_before = date_time_ymd(2030, 1, 1);
            params.not_after = date_time_ymd(2031, 1, 1);
            let issuer = Issuer::from_params(&self.params, &self.key);
            let signed = params.signed_by(&key, &issuer).expect("signed");
            signed.der().clone()
        }

        fn verdict(&self, certificate: &CertificateDer<'_>, name: &str, year: u64) -> bool {
            let roots = Arc::new(self.trust.roots().expect("roots"));
            let provider = Arc::new(default_provider());
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            let seconds = (year - 1970) * 31_557_600 + 86_400 * 30;
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            let name = name.to_owned().try_into().expect("a name");
            Patient(inner.expect("a verifier"))
                .verify_server_cert(certificate, &[], &name, &[], now)
                .is_ok()
        }
    }

    #[test]
    fn a_clock_that_runs_behind_is_borne_and_nothing_else_is() {
        let authority = authority();
        let certificate = authority.issue();
        for year in [1970, 2025, 2029, 2030] {
            assert!(
                authority.verdict(&certificate, "idp.example", year),
                "{year}"
            );
        }
        assert!(
            !authority.verdict(&certificate, "idp.example", 2032),
            "expired"
        );
        assert!(
            !authority.verdict(&certificate, "other.example", 1970),
            "another name"
        );
        let stranger = super::tests::authority().issue();
        assert!(
            !authority.verdict(&stranger, "idp.example", 1970),
            "another authority"
        );
        assert!(
            !authority.verdict(&stranger, "idp.example", 2030),
            "another authority"
        );
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let trust = Trust::Only(path.clone());
        assert!(matches!(trust.check(), Err(TlsError::Unreadable { .. })));
        std::fs::write(&path, "no certificate").expect("written");
        assert!(matches!(trust.check(), Err(TlsError::Empty(_))));
    }
}
