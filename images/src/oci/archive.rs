//! The image layout in one file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::document::{Annotations, Descriptor, Layout};
use super::layer::header;
use super::{Architecture, Digest, Epoch, Reference};

/// What has a digest as its name.
#[derive(Debug, Default)]
pub(super) struct Blobs(BTreeMap<Digest, Vec<u8>>);

impl Blobs {
    pub(super) fn add(&mut self, media_type: &'static str, bytes: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        self.0.insert(digest.clone(), bytes);
        Descriptor {
            media_type,
            digest,
            size,
            annotations: Annotations::new(),
            platform: None,
        }
    }
}

/// A finished image: an OCI layout with one image in it, which `podman load`, `ctr images import`
/// and `skopeo copy oci-archive:` read.
#[derive(Debug)]
pub struct Archive {
    pub(super) reference: Reference,
    pub(super) digest: Digest,
    pub(super) manifests: BTreeMap<Architecture, Digest>,
    pub(super) index: Vec<u8>,
    pub(super) blobs: Blobs,
    pub(super) time: Epoch,
}

/// An archive could not be saved.
#[derive(Debug, thiserror::Error)]
#[error("cannot save the image in {path}", path = .path.display())]
pub struct SaveError {
    path: PathBuf,
    source: io::Error,
}

impl Archive {
    /// The name under which it is imported.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What a registry would call it: the digest of the index, or of the manifest where there is
    /// one architecture only.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The digest of the manifest for each architecture.
    pub fn manifests(&self) -> &BTreeMap<Architecture, Digest> {
        &self.manifests
    }

    /// Bytes of all that a registry would keep.
    pub fn size(&self) -> u64 {
        self.blobs.0.values().map(|blob| blob.len() as u64).sum()
    }

    /// Writes the layout as a tar archive.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let layout = serde_json::to_vec(&Layout {
            image_layout_version: "1.0.0",
        })?;
        let mut tar = tar::Builder::new(to);
        let mut add = |name: &str, content: &[u8]| {
            let mut header = header(self.time);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content)
        };
        // First, so that a reader knows early what it reads.
        add("oci-layout", &layout)?;
        add("index.json", &self.index)?;
        for (digest, blob) in &self.blobs.0 {
            add(&format!("blobs/sha256/{}", digest.hex()), blob)?;
        }
        tar.into_inner()?.flush()
    }

    /// Writes the archive to a file that is either whole or not there.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        let unfinished = path.with_extension(format!("{}.part", std::process::id()));
        let save = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            self.write(BufWriter::new(File::create(&unfinished)?))?;
            fs::rename(&unfinished, path)
        };
        save().map_err(|source| {
            let _ = fs::remove_file(&unfinished);
            SaveError {
                path: path.to_owned(),
                source,
            }
        })
    }
}
