//! A certificate for a server that only pods of the cluster talk to.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate, in PEM. It has no `Debug`: the key is secret.
pub(super) struct Made {
    /// The server's certificate.
    pub(super) certificate: String,
    /// Its key.
    pub(super) key: String,
    /// By which others know it for genuine. The key of the authority is kept nowhere: it vouches for
    /// nothing else.
    pub(super) authority: String,
}

/// One for all of these names.
pub(super) fn for_hosts(hosts: &[String]) -> Result<Made, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let name = hosts.first().map(String::as_str).unwrap_or_default();
    let called = format!("authority of {name}");
    authority
        .distinguished_name
        .push(DnType::CommonName, called);
    let authority_key = KeyPair::generate()?;
    let signed = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Made {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        authority: signed.pem(),
    })
}
