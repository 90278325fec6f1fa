//! The server's certificate, and the authority that signed it, as files.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::OpenBaoError;
use crate::control_plane::pem;
use crate::secret;

/// Writes `ca.crt`, `server.crt` and `server.key`. The authority's key is forgotten.
pub(super) fn create(folder: &Path, ip: IpAddr) -> Result<(), OpenBaoError> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "fleet-testbed-openbao");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::new([ip.to_string(), "localhost".to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;

    let write = |name: &str, content: String, writer: fn(&Path, &[u8]) -> io::Result<()>| {
        let path = folder.join(name);
        writer(&path, content.as_bytes()).map_err(|source| OpenBaoError::File { path, source })
    };
    let public: fn(&Path, &[u8]) -> io::Result<()> = |path, content| fs::write(path, content);
    write("ca.crt", pem("CERTIFICATE", authority.der()), public)?;
    write("server.crt", pem("CERTIFICATE", certificate.der()), public)?;
    let key = pem("PRIVATE KEY", &key.serialize_der());
    write("server.key", key, secret::write)
}
