use std::time::Duration;

use fleet_api::Device;
use fleet_cluster::{Cluster, ClusterError};
use fleet_contracts::DeviceId;
use futures::{StreamExt as _, pin_mut};
use kube::api::DeleteParams;
use kube::runtime::{WatchStreamExt as _, watcher};

/// The condition that says that a device is there.
const REACHABLE: &str = "Reachable";

/// What the fleet says of a device, or why it was not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reachability {
    /// It is there.
    Reachable,
    /// Nobody wanted to know.
    NotAsked,
    /// The cluster could not be asked, for this reason.
    NotChecked(String),
}

/// Why the fleet does not have a device.
#[derive(Debug, thiserror::Error)]
pub enum ReachableError {
    /// There is no Device of that name.
    #[error(
        "there is no Device {device} in {cluster} after {seconds} s, though its agent is connected; is that the cluster \
         of its fleet, and does the operator run (fleet doctor)?"
    )]
    Missing {
        /// The device.
        device: DeviceId,
        /// Which configuration was used.
        cluster: String,
        /// How long was waited.
        seconds: u64,
    },
    /// There is one, and it is not said to be there.
    #[error(
        "Device {device} is not Reachable in {cluster} after {seconds} s ({says}); does the operator run (fleet doctor)?"
    )]
    Not {
        /// The device.
        device: DeviceId,
        /// Which configuration was used.
        cluster: String,
        /// How long was waited.
        seconds: u64,
        /// What its condition says.
        says: String,
    },
    /// The cluster cannot be asked.
    #[error("cannot ask for Device {device}")]
    Cluster {
        /// The device.
        device: DeviceId,
        /// Why.
        #[source]
        source: Box<ClusterError>,
    },
}

impl ReachableError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "DeviceMissing",
            Self::Not { .. } => "DeviceNotReachable",
            Self::Cluster { .. } => "Cluster",
        }
    }
}

/// What its condition says; `None` where that it is there.
fn missing(device: &Device) -> Option<String> {
    let conditions = device.status.as_ref().map(|status| &status.conditions);
    let found = conditions.and_then(|all| all.iter().find(|c| c.type_ == REACHABLE));
    match found {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(format!("{}: {}", condition.reason, condition.message)),
        None => Some("nothing was heard of it yet".to_owned()),
    }
}

/// Waits until the fleet says that a device is there; tells what it says meanwhile.
///
/// # Errors
/// When it does not in time, or cannot be asked.
pub async fn until_reachable(
    cluster: &Cluster,
    device: &DeviceId,
    within: Duration,
    says: impl Fn(&str),
) -> Result<(), ReachableError> {
    let changes = watcher::watch_object(cluster.devices(), device.as_str()).default_backoff();
    pin_mut!(changes);
    let mut last = None;
    let follow = async {
        while let Some(change) = changes.next().await {
            let found = match change {
                Ok(found) => found,
                Err(error) => match cluster.lasting(error) {
                    Some(source) => return Err(Box::new(source)),
                    None => continue,
                },
            };
            last = found.as_ref().map(missing);
            match &last {
                Some(None) => return Ok(()),
                Some(Some(text)) => says(&format!("Device {device}: {text}")),
                None => says(&format!("no Device {device} yet")),
            }
        }
        Ok(())
    };
    let ended = tokio::time::timeout(within, follow).await;
    let (device, name, seconds) = (
        device.clone(),
        cluster.source().to_owned(),
        within.as_secs(),
    );
    match (ended, last) {
        (Ok(ended), _) => ended.map_err(|source| ReachableError::Cluster { device, source }),
        (Err(_), Some(Some(says))) => Err(ReachableError::Not {
            device,
            cluster: name,
            seconds,
            says,
        }),
        (Err(_), _) => Err(ReachableError::Missing {
            device,
            cluster: name,
            seconds,
        }),
    }
}

/// Deletes the Device: the fleet forgets it. Says whether there was one.
///
/// # Errors
/// When the cluster refuses, or cannot be asked.
pub async fn forget(cluster: &Cluster, device: &DeviceId) -> Result<bool, ReachableError> {
    let (devices, how) = (cluster.devices(), DeleteParams::default());
    let deleted = devices.delete(device.as_str(), &how).await;
    match deleted.map_err(|error| cluster.explain(error)) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(source) => Err(ReachableError::Cluster {
            device: device.clone(),
            source: Box::new(source),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_api::{DeviceSpec, DeviceStatus};
    use fleet_contracts::payload::Inventory;
    use serde_json::json;

    fn device(conditions: &serde_json::Value) -> Device {
        let spec = DeviceSpec {
            inventory: Inventory::default(),
        };
        let status = serde_json::from_value::<DeviceStatus>(json!({"conditions": conditions}));
        Device {
            status: status.ok(),
            ..Device::new("robot-7", spec)
        }
    }

    fn condition(status: &str) -> serde_json::Value {
        json!({
            "type": REACHABLE, "status": status, "reason": "HeartbeatsMissing", "message": "none for 60 s",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    }

    #[test]
    fn a_device_is_there_when_its_condition_says_so() {
        assert_eq!(missing(&device(&json!([condition("True")]))), None);
        let says = missing(&device(&json!([condition("False")])));
        assert_eq!(says.as_deref(), Some("HeartbeatsMissing: none for 60 s"));
        let says = missing(&device(&json!([])));
        assert_eq!(says.as_deref(), Some("nothing was heard of it yet"));
    }
}
