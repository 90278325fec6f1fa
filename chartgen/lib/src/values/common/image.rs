//! Where images come from.

use schemars::JsonSchema;
use serde::Serialize;

use super::{NAME_LENGTH, OBJECT_NAME};

/// A host, perhaps with a port and a path, or nothing.
const REGISTRY: &str = r"^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*)?$";

/// The image of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Host of the registry, with its port if it has one. `global.imageRegistry` replaces it.
    #[schemars(regex(pattern = REGISTRY))]
    pub registry: String,
    /// Path of the image in the registry.
    #[schemars(regex(pattern = r"^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"))]
    pub repository: String,
    /// Tag of the image. Empty for the version of the application that the chart is made for.
    #[schemars(regex(pattern = r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"))]
    pub tag: String,
    /// Digest of the image, such as `sha256:` and 64 hexadecimal digits. If set, exactly this image
    /// runs, whatever the tag.
    #[schemars(regex(pattern = r"^(sha256:[0-9a-f]{64})?$"))]
    pub digest: String,
    /// When a node pulls the image.
    pub pull_policy: PullPolicy,
}

impl Image {
    /// An image by its registry and its path there, in the version of the application.
    pub fn of(registry: impl Into<String>, repository: impl Into<String>) -> Self {
        Self {
            registry: registry.into(),
            repository: repository.into(),
            ..Self::default()
        }
    }
}

/// When a node pulls an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum PullPolicy {
    /// On every start of a container.
    Always,
    /// If the node does not have it.
    #[default]
    IfNotPresent,
    /// Not at all; the image must be on the node.
    Never,
}

/// What a parent chart shares with all its charts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Global {
    /// Registry that replaces that of every image, such as a mirror. Empty to keep each image's own.
    #[schemars(regex(pattern = REGISTRY))]
    pub image_registry: String,
    /// Secrets of the namespace that hold credentials for registries.
    pub image_pull_secrets: Vec<PullSecret>,
}

/// A Secret with credentials for a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullSecret {
    /// Name of the Secret.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = NAME_LENGTH))]
    pub name: String,
}
