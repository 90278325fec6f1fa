//! The key that signs a testbed's manifests.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_contracts::signing::ManifestSigner;

use crate::error::Error;
use crate::secret;

/// The key that signs manifests: the operator's, and what devices trust.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pub(crate) file: PathBuf,
    pub(crate) trusted: String,
}

impl SigningKey {
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let file = folder.join("manifest.key");
        let seed: [u8; 32] = secret::random();
        let text = STANDARD.encode(seed);
        secret::write(&file, text.as_bytes()).map_err(|source| Error::File {
            path: file.clone(),
            source,
        })?;
        let trusted = ManifestSigner::from_seed(&seed).trusted().to_string();
        Ok(Self { file, trusted })
    }
}
