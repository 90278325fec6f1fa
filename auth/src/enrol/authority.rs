//! The service's own certificate authority, which devices pin.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// An authority, in PEM. It has no `Debug`: the key is secret.
pub(crate) struct Authority {
    /// Its certificate, for devices.
    pub(crate) certificate: String,
    /// Its key, for the service alone.
    pub(crate) key: String,
}

/// A new one.
pub(crate) fn make() -> Result<Authority, rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok(Authority {
        certificate: params().self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// What its certificate says. The same for every one: they differ by their keys.
pub(super) fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "fleet enrolment");
    params
}
