use std::time::{SystemTime, UNIX_EPOCH};

use fleet_devices_core::vm::{HostPath, VmRecord, VmSpec};

use super::super::error::VmError;
use super::image::{self, Image};
use super::{files, port};

/// The line of a difference that says that a machine is started.
pub(in crate::vm) const RUNS: &str = "+ it runs";

/// A machine that is to be made.
pub(in crate::vm) struct Draft {
    pub(in crate::vm) record: VmRecord,
    /// What its disk is made of.
    pub(super) image: Option<Image>,
    /// The same for people.
    pub(in crate::vm) difference: Vec<String>,
}

impl Draft {
    /// Of what is wanted, beside these machines; `place` says to people where it will be.
    pub(in crate::vm) async fn of(
        wanted: &VmSpec,
        machines: &HostPath,
        place: &str,
    ) -> Result<Self, VmError> {
        let image = match &wanted.image {
            Some(path) => Some(image::look(path, wanted.disk_gib).await?),
            None => None,
        };
        let ssh_port = match wanted.ssh_port {
            Some(port) => port,
            None => port::free(&files::ports(machines)?)?,
        };
        let mut spec = wanted.clone();
        spec.ssh_port = None;
        let record = VmRecord {
            spec,
            ssh_port,
            image: image.as_ref().map(|image| image.backing.clone()),
            created: now(),
        };
        let mut difference = vec![format!("+ machine {} {place}", wanted.name)];
        difference.extend(record.lines().iter().map(|line| format!("+ {line}")));
        difference.push(RUNS.to_owned());
        Ok(Self {
            record,
            image,
            difference,
        })
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
