//! The JSON documents of an image.
//!
//! Structs and sorted maps only: fields come out in the order written here, whatever features
//! `serde_json` was built with.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::Digest;

pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) type Annotations = BTreeMap<String, String>;

/// How a container of the image runs, as far as its user says nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `uid:gid`; root where it is empty.
    pub user: String,
    /// The program with its first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments that whoever runs the container may replace.
    pub command: Vec<String>,
    /// Variables, `NAME=value`.
    pub environment: Vec<String>,
    /// Ports that the program listens on, like `80/tcp`; documentation only.
    pub ports: Vec<String>,
    /// What stops it; SIGTERM where nothing is said.
    pub stop_signal: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Config<'a> {
    pub(super) created: String,
    pub(super) architecture: &'a str,
    pub(super) os: &'a str,
    #[serde(rename = "config")]
    pub(super) run: Run<'a>,
    pub(super) rootfs: RootFs,
    pub(super) history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Run<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "as_keys")]
    exposed_ports: BTreeSet<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a Annotations,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
}

impl<'a> Run<'a> {
    pub(super) fn new(settings: &'a Settings, labels: &'a Annotations) -> Self {
        Self {
            user: &settings.user,
            exposed_ports: settings.ports.iter().map(String::as_str).collect(),
            env: &settings.environment,
            entrypoint: &settings.entrypoint,
            cmd: &settings.command,
            labels,
            stop_signal: settings.stop_signal.as_deref(),
        }
    }
}

/// A set as JSON has none: keys, each with an empty object.
fn as_keys<S: Serializer>(keys: &BTreeSet<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Empty {}
    serializer.collect_map(keys.iter().map(|key| (key, Empty {})))
}

#[derive(Serialize)]
pub(super) struct RootFs {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
pub(super) struct History {
    pub(super) created: String,
    pub(super) created_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest<'a> {
    pub(super) schema_version: u8,
    pub(super) media_type: &'static str,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: &'a Annotations,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index<'a> {
    pub(super) schema_version: u8,
    pub(super) media_type: &'static str,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: &'a Annotations,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: &'static str,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Annotations,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Platform {
    pub(super) architecture: &'static str,
    pub(super) os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Layout {
    pub(super) image_layout_version: &'static str,
}
