//! What a device is asked to run.
//!
//! A score is externally tagged by the runtime that understands it. Optional fields are left out of
//! the JSON when they have their default, so that adding one never changes the revision (and so
//! never restarts the containers) of a score that does not use it.

mod fields;
mod health;
mod podman;
mod quantity;
mod validate;

pub use fields::{
    Capability, ContainerName, EnvName, FileMode, HostPath, ImageRef, InvalidField, MountPath,
    VolumeName,
};
pub use health::{HealthCheck, HttpProbe};
pub use podman::{
    Capabilities, DeviceMount, FileContent, NetworkMode, PodmanScore, Port, Protocol, PullPolicy,
    Resources, RestartPolicy, Service, TmpfsVolume, Volume, VolumeSource,
};
pub use quantity::{Bytes, Cpus, InvalidQuantity};
pub use validate::{ScoreError, start_order};

use serde::{Deserialize, Serialize};

use crate::revision::Revision;

/// What to run, by runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ReconcileScore {
    /// Containers under podman.
    PodmanV0(PodmanScore),
}

impl ReconcileScore {
    /// The revision a device will compute from the JSON of this score.
    pub fn revision(&self) -> Revision {
        Revision::of(&self.to_json())
    }

    /// The score as it goes over the wire.
    pub fn to_json(&self) -> serde_json::Value {
        // Scores hold string-keyed maps only, which JSON can always express.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Checks the rules that a type alone cannot express.
    pub fn validate(&self) -> Result<(), ScoreError> {
        match self {
            Self::PodmanV0(score) => validate::validate(score),
        }
    }
}
