//! Random tokens.

use aws_lc_rs::rand;
pub(crate) use fleet_files::private::replace as write;

/// A random token of 32 hexadecimal digits.
pub(crate) fn token() -> String {
    format!("{:032x}", u128::from_le_bytes(random()))
}

/// Random bytes for a key.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if rand::fill(&mut bytes).is_err() {
        // The system's generator does not fail on Linux once it is seeded; a testbed's secrets are
        // worth no more than this.
        fastrand::fill(&mut bytes);
    }
    bytes
}

/// Installs the one TLS provider of this workspace, once per process.
pub(crate) fn install_crypto_provider() {
    // Installed already, by an earlier call or by the test itself: just as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
