//! From files and settings to an archive.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::archive::{Archive, Blobs};
use super::document::{
    self, Annotations, Config, Descriptor, History, Index, Manifest, Platform, RootFs, Run,
};
use super::{Compression, Digest, Epoch, Layer, LayerError, Reference, Settings};

/// Both containerd and podman import an image under this name.
const NAME: &str = "io.containerd.image.name";
/// The tag, as image-spec wants it in a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Key of the date of creation.
const CREATED: &str = "org.opencontainers.image.created";

/// What processors an image is for, in the words of image-spec; the system is always linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Architecture {
    /// That of this program; none where it runs on something else.
    pub fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// The word in image-spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no architecture of ours.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not one of amd64, arm64")]
pub struct ArchitectureError(String);

impl FromStr for Architecture {
    type Err = ArchitectureError;

    fn from_str(text: &str) -> Result<Self, ArchitectureError> {
        match text {
            "amd64" => Ok(Self::Amd64),
            "arm64" => Ok(Self::Arm64),
            other => Err(ArchitectureError(other.to_owned())),
        }
    }
}

/// What an image is on one architecture.
#[derive(Debug, Clone)]
pub struct Contents {
    settings: Settings,
    layers: Vec<Layer>,
}

impl Contents {
    /// Layers from the lowest to the highest.
    pub fn new(settings: Settings, layers: impl IntoIterator<Item = Layer>) -> Self {
        Self {
            settings,
            layers: layers.into_iter().collect(),
        }
    }
}

/// An image to be written.
#[derive(Debug, Clone)]
pub struct Image {
    reference: Reference,
    time: Epoch,
    compression: Compression,
    labels: Annotations,
    platforms: BTreeMap<Architecture, Contents>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No platform was given.
    #[error("{0} has no contents for any architecture")]
    Empty(Reference),
    /// A layer could not be made.
    #[error("cannot make a layer of {reference} for {architecture}")]
    Layer {
        /// The image.
        reference: Reference,
        /// The platform.
        architecture: Architecture,
        /// What is wrong.
        #[source]
        source: LayerError,
    },
    /// A document could not be written.
    #[error("cannot write a document of the image")]
    Document(#[source] serde_json::Error),
}

impl Image {
    /// An image without contents.
    pub fn new(reference: Reference, time: Epoch) -> Self {
        Self {
            reference,
            time,
            compression: Compression::default(),
            labels: Annotations::new(),
            platforms: BTreeMap::new(),
        }
    }

    /// With layers kept like that.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// With a label, which is also an annotation of the manifests and their index.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With contents for an architecture.
    #[must_use]
    pub fn platform(mut self, architecture: Architecture, contents: Contents) -> Self {
        self.platforms.insert(architecture, contents);
        self
    }

    /// The finished image.
    pub fn archive(&self) -> Result<Archive, ImageError> {
        let mut labels = self.labels.clone();
        labels.insert(CREATED.to_owned(), self.time.rfc3339());
        let mut blobs = Blobs::default();
        let mut manifests = Vec::new();
        for (architecture, contents) in &self.platforms {
            manifests.push(self.manifest(*architecture, contents, &labels, &mut blobs)?);
        }
        let mut top = match manifests.as_slice() {
            [] => return Err(ImageError::Empty(self.reference.clone())),
            // One level less for who looks at it.
            [only] => only.clone(),
            _ => {
                let index = index(manifests.clone(), &labels)?;
                blobs.add(document::INDEX, index)
            }
        };
        let digest = top.digest.clone();
        let names = [
            (NAME, self.reference.as_str()),
            (REF_NAME, self.reference.tag()),
        ];
        let names = names.map(|(key, value)| (key.to_owned(), value.to_owned()));
        top.annotations = names.into_iter().collect();
        Ok(Archive {
            reference: self.reference.clone(),
            digest,
            manifests: manifests_of(&self.platforms, &manifests),
            // No annotations here: this file names the image and is not part of it.
            index: index(vec![top], &Annotations::new())?,
            blobs,
            time: self.time,
        })
    }

    fn manifest(
        &self,
        architecture: Architecture,
        contents: &Contents,
        labels: &Annotations,
        blobs: &mut Blobs,
    ) -> Result<Descriptor, ImageError> {
        let (mut layers, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
        for layer in &contents.layers {
            let packed = layer.pack(self.time, self.compression);
            let packed = packed.map_err(|source| ImageError::Layer {
                reference: self.reference.clone(),
                architecture,
                source,
            })?;
            layers.push(blobs.add(packed.media_type, packed.bytes));
            diff_ids.push(packed.diff_id);
            history.push(History {
                created: self.time.rfc3339(),
                created_by: "fleet-images",
            });
        }
        let kind = "layers";
        let config = json(&Config {
            created: self.time.rfc3339(),
            architecture: architecture.as_str(),
            os: "linux",
            run: Run::new(&contents.settings, labels),
            rootfs: RootFs { kind, diff_ids },
            history,
        })?;
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: document::MANIFEST,
            config: blobs.add(document::CONFIG, config),
            layers,
            annotations: labels,
        })?;
        let mut descriptor = blobs.add(document::MANIFEST, manifest);
        descriptor.platform = Some(Platform {
            architecture: architecture.as_str(),
            os: "linux",
        });
        Ok(descriptor)
    }
}

fn manifests_of(
    platforms: &BTreeMap<Architecture, Contents>,
    manifests: &[Descriptor],
) -> BTreeMap<Architecture, Digest> {
    let digests = manifests.iter().map(|manifest| manifest.digest.clone());
    platforms.keys().copied().zip(digests).collect()
}

fn index(manifests: Vec<Descriptor>, annotations: &Annotations) -> Result<Vec<u8>, ImageError> {
    json(&Index {
        schema_version: 2,
        media_type: document::INDEX,
        manifests,
        annotations,
    })
}

pub(super) fn json(document: &impl Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(document).map_err(ImageError::Document)
}
