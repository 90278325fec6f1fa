//! What devices send: subjects, keys and payloads as the agent's.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fleet_bus::async_nats::Subject;
use fleet_contracts::payload::{
    DeviceInfo, DeviceState, Heartbeat, Inventory, Phase, SCHEMA_VERSION, ServiceState, encode,
};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::{
    DeploymentRef, DeviceId, Generation, Revision, ServiceName, UnixMillis, subject,
};

use crate::Error;
use crate::fleet::{Device, Fleet};

/// Writes them.
#[derive(Debug, Clone)]
pub struct Writer {
    service: ServiceName,
}

impl Writer {
    /// For Deployments as [`crate::fleet`] makes them.
    ///
    /// # Errors
    /// When the platform has other rules for names than this program.
    pub fn new() -> Result<Self, Error> {
        let service = "web".parse();
        Ok(Self {
            service: service.map_err(|error| Error::Fleet(format!("{error}")))?,
        })
    }

    /// What became of a Deployment on a device.
    pub fn state(&self, fleet: &Fleet, pair: usize, phase: Phase) -> (Subject, Bytes) {
        let of = fleet.pairs[pair];
        let (device, workload) = (&fleet.devices[of.device], &fleet.workloads[of.workload]);
        self.report(&device.id, &workload.reference, workload.revision, phase)
    }

    /// The same for any Deployment at any revision.
    pub fn report(
        &self,
        device: &DeviceId,
        deployment: &DeploymentRef,
        revision: Revision,
        phase: Phase,
    ) -> (Subject, Bytes) {
        let failed = phase == Phase::Failed;
        let state = DeviceState {
            schema_version: SCHEMA_VERSION,
            revision,
            phase,
            reason: failed.then_some(DeviceReason::StartFailed),
            message: if failed {
                "the container ended with code 1".to_owned()
            } else {
                String::new()
            },
            at: now(),
            services: vec![ServiceState {
                name: self.service.clone(),
                phase,
                restarts: 0,
                container: Some("0123456789ab".to_owned()),
                exit_code: failed.then_some(1),
            }],
        };
        let subject = subject::up_state(device, deployment);
        (subject.into(), encode(&state).into())
    }

    /// What a device is.
    pub fn info(device: &Device) -> (Subject, Bytes) {
        let info = DeviceInfo {
            schema_version: SCHEMA_VERSION,
            device: device.id.clone(),
            labels: device.labels.clone(),
            inventory: Inventory {
                architecture: Some("x86_64".to_owned()),
                operating_system: Some("Simulated 1".to_owned()),
                kernel_version: Some("6.12.0".to_owned()),
                cpu_cores: Some(4),
                memory_bytes: Some(4 << 30),
                disk_bytes: Some(32 << 30),
                podman_version: Some("5.4.2".to_owned()),
                agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                addresses: vec![],
            },
            at: now(),
        };
        let subject = subject::up_info(&device.id);
        (subject.into(), encode(&info).into())
    }

    /// A sign of life.
    pub fn heartbeat(device: &Device) -> (Subject, Bytes) {
        let heartbeat = Heartbeat {
            schema_version: SCHEMA_VERSION,
            device: device.id.clone(),
            at: now(),
            generation: Generation::default(),
            refusal: None,
        };
        let subject = subject::up_heartbeat(&device.id);
        (subject.into(), encode(&heartbeat).into())
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    UnixMillis(u64::try_from(millis).unwrap_or(u64::MAX))
}
