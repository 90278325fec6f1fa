//! Random tokens, and files that only their owner reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::rand;

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

/// Writes a file with mode 0600, whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("new");
    if let Err(error) = fs::remove_file(&staged)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(content)?;
    fs::rename(&staged, path)
}

/// Installs the one TLS provider of this workspace, once per process.
pub(crate) fn install_crypto_provider() {
    // Installed already, by an earlier call or by the test itself: just as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
