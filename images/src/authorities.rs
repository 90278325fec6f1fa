//! The public authorities that our programs believe in where nobody names others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Where a Debian keeps them, and so a place where every TLS library looks.
pub const PATH: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Letters in a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// Those of Mozilla's root programme, as one PEM file: what the crate `webpki-root-certs` has in the
/// version of Cargo.lock.
pub fn bundle() -> String {
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    all.iter().map(|certificate| pem(certificate)).collect()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_authorities() {
        let text = bundle();
        let read = CertificateDer::pem_slice_iter(text.as_bytes());
        let read: Vec<_> = read.map(|one| one.expect("a certificate")).collect();
        assert_eq!(read, webpki_root_certs::TLS_SERVER_ROOT_CERTS);
        let mut roots = RootCertStore::empty();
        let (taken, left) = roots.add_parsable_certificates(read);
        assert!(taken > 100 && left == 0, "{taken} of {}", taken + left);
    }
}
