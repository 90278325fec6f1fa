//! The IdP's certificate, and the authority that signed it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::IdpError;
use crate::control_plane::pem;

/// An authority of the testbed, in a file, and a server certificate of it.
#[derive(Debug)]
pub(super) struct Certificate {
    /// As clients trust it.
    pub(super) authority: PathBuf,
    pub(super) server: Arc<ServerConfig>,
}

impl Certificate {
    pub(super) fn create(folder: &Path, ip: IpAddr) -> Result<Self, IdpError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "fleet-testbed-idp");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let authority = folder.join("ca.crt");
        fs::write(&authority, pem("CERTIFICATE", certificate.der())).map_err(|source| {
            IdpError::File {
                path: authority.clone(),
                source,
            }
        })?;
        let server = server_config(&Issuer::new(params, key), ip)?;
        Ok(Self {
            authority,
            server: Arc::new(server),
        })
    }
}

fn server_config(issuer: &Issuer<'_, KeyPair>, ip: IpAddr) -> Result<ServerConfig, IdpError> {
    // By name, too: a client that reaches the address under another name must get as far as the
    // check of its `Host`.
    let mut params = CertificateParams::new([ip.to_string(), "localhost".to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
