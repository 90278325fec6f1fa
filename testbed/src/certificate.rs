//! A server's certificate, and the authority that signed it, as files.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::control_plane::pem;
use crate::secret;

/// Why a server has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A file cannot be written.
    #[error("cannot write {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Writes `ca.crt`, `server.crt` and `server.key` for a server on this address. The authority is
/// called `name`; its key is forgotten.
pub(crate) fn create(folder: &Path, ip: IpAddr, name: &str) -> Result<(), CertificateError> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::new([ip.to_string(), "localhost".to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;

    let write = |name: &str, content: String, writer: fn(&Path, &[u8]) -> io::Result<()>| {
        let path = folder.join(name);
        writer(&path, content.as_bytes()).map_err(|source| CertificateError::File { path, source })
    };
    let public: fn(&Path, &[u8]) -> io::Result<()> = |path, content| fs::write(path, content);
    write("ca.crt", pem("CERTIFICATE", authority.der()), public)?;
    write("server.crt", pem("CERTIFICATE", certificate.der()), public)?;
    let key = pem("PRIVATE KEY", &key.serialize_der());
    write("server.key", key, secret::write)
}
