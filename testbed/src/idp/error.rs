//! Why the test IdP did not start or serve.

use std::io;
use std::path::PathBuf;

use super::core::signing::SigningError;
use super::manage::ApiError;

/// Why the test IdP did not start or serve.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// A key could not be made or used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The certificate could not be made.
    #[error("cannot make the certificate of the test IdP")]
    Certificate(#[from] rcgen::Error),
    /// The certificate could not be used.
    #[error("cannot use the certificate of the test IdP")]
    Tls(#[from] rustls::Error),
    /// It could not listen, or has no threads.
    #[error("the test IdP cannot listen")]
    Listen(#[source] io::Error),
    /// It listens already.
    #[error("the test IdP runs already")]
    Running,
    /// A file could not be written.
    #[error("cannot write {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What a test wanted to be there cannot be.
    #[error("the test IdP refuses what the test wants to be there")]
    Seed(#[from] ApiError),
}
