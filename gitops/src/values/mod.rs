//! Values of charts, to exactly the keys that we set; each in files for Argo CD's `valueFiles`.
//!
//! A null takes an upstream default away. It works in files only, and so these are files.

mod nats;
mod openbao;
mod ours;
mod zitadel;

use serde::Serialize;
use serde_json::Value;

use crate::params::{Cluster, Registry};
use crate::platform::Component;

/// Values for one cause: the installation of the component, or what a cluster or a mirror changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueFile {
    /// The file's name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// The values.
    pub values: Value,
}

/// Serialises as null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Removed;

impl Serialize for Removed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

/// The values that every installation of a component has.
///
/// # Errors
/// When they are no JSON.
pub fn base(component: Component) -> Result<ValueFile, serde_json::Error> {
    let values = match component {
        Component::Definitions => ours::definitions()?,
        Component::OpenBao => openbao::base()?,
        Component::Zitadel => zitadel::base()?,
        Component::Nats => nats::base()?,
        Component::Operator => ours::operator()?,
    };
    Ok(ValueFile {
        name: format!("{}.yaml", component.name()),
        purpose: "Every installation.",
        values,
    })
}

/// What a kind of cluster changes; nothing for most.
///
/// # Errors
/// When the values are no JSON.
pub fn for_cluster(
    component: Component,
    cluster: Cluster,
) -> Result<Option<ValueFile>, serde_json::Error> {
    let values = match (cluster, component) {
        (Cluster::Kubernetes, _) | (_, Component::Definitions | Component::Operator) => {
            return Ok(None);
        }
        (Cluster::Okd, Component::OpenBao) => openbao::okd()?,
        (Cluster::Okd, Component::Zitadel) => zitadel::okd()?,
        (Cluster::Okd, Component::Nats) => nats::okd()?,
    };
    Ok(Some(ValueFile {
        name: format!("{}-okd.yaml", component.name()),
        purpose: "OKD and OpenShift, which assign user ids themselves and refuse pods that name one.",
        values,
    }))
}

/// Images from a mirror; nothing for a component without images.
///
/// # Errors
/// When the values are no JSON.
pub fn for_mirror(
    component: Component,
    registry: &Registry,
) -> Result<Option<ValueFile>, serde_json::Error> {
    let values = match component {
        Component::Definitions => return Ok(None),
        Component::OpenBao => openbao::mirrored(registry)?,
        Component::Zitadel => zitadel::mirrored(registry)?,
        Component::Nats => nats::mirrored(registry)?,
        Component::Operator => ours::mirrored(registry)?,
    };
    Ok(Some(ValueFile {
        name: format!("{}-airgap.yaml", component.name()),
        purpose: "Images from a registry that the cluster reaches.",
        values,
    }))
}
