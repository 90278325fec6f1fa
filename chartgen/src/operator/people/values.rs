//! The values that say who may do what.

use schemars::JsonSchema;
use serde::Serialize;

/// The name of a namespace.
const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Groups of people and what they may do.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct People {
    /// Everywhere.
    pub cluster: ClusterPeople,
    /// In single namespaces, which must be there, each as `{namespace: …, viewers: […], editors:
    /// […], admins: […]}`. Viewers see its Deployments; editors deploy from it; admins also let
    /// others into it.
    pub namespaces: Vec<NamespacePeople>,
}

/// Groups with a part in the whole cluster, as the API server names them: with the prefix of
/// their identity provider, such as `zitadel:fleet-admin`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterPeople {
    /// They see all devices, and nothing of what runs on them: for editors of single namespaces,
    /// who choose devices by their labels.
    #[schemars(inner(length(min = 1)))]
    pub device_viewers: Vec<String>,
    /// They see all devices and the Deployments of all namespaces.
    #[schemars(inner(length(min = 1)))]
    pub viewers: Vec<String>,
    /// They also deploy from any namespace.
    #[schemars(inner(length(min = 1)))]
    pub editors: Vec<String>,
    /// They also label devices, forget them, and decide which devices join.
    #[schemars(inner(length(min = 1)))]
    pub admins: Vec<String>,
}

/// Groups with a part in one namespace.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespacePeople {
    /// The namespace.
    #[schemars(regex(pattern = NAMESPACE), length(max = 63))]
    pub namespace: String,
    /// Groups that see its Deployments.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub viewers: Vec<String>,
    /// Groups that deploy from it.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub editors: Vec<String>,
    /// Groups that let others into it, too.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub admins: Vec<String>,
}
