//! What a machine is, how it is, and the way to it.

use std::fs;
use std::path::Path;

use fleet_devices_core::vm::virsh::{DomainState, domain_type};
use fleet_devices_core::vm::{Accelerator, VmFolder, VmRecord};

use super::super::error::VmError;
use super::super::host::{VmInfo, VmState, VmWay};
use super::domain::forwarded;
use super::{LibvirtHost, Machine, SSH};
use crate::host::Address;

impl LibvirtHost {
    pub(super) async fn describe(&self, machine: Machine) -> Result<VmInfo, VmError> {
        let Machine { folder, record } = machine;
        let name = record.spec.name.clone();
        let state = match self.virsh.state(&name).await? {
            DomainState::Off => VmState::Off,
            DomainState::Running => VmState::Running,
            DomainState::Halted(why) => VmState::Halted(why),
        };
        let running = state != VmState::Off;
        let accelerator = if running {
            let document = self
                .virsh
                .find("show the domain", &["dumpxml", name.as_str()])
                .await?;
            accelerator_of(document.as_deref())
        } else {
            None
        };
        let way = self.way(&folder, &record, running).await;
        Ok(VmInfo::of(record, state, accelerator, way))
    }

    /// The way to its SSH: a forwarded port, or the address that it has in libvirt's network.
    async fn way(&self, folder: &VmFolder, record: &VmRecord, running: bool) -> Option<VmWay> {
        if forwarded(self.virsh.uri(), record) {
            return Some(VmWay::forwarded(folder, record));
        }
        let address = if running {
            self.virsh.address(&record.spec.name).await?
        } else {
            return None;
        };
        let known_hosts: &Path = folder.known_hosts.as_ref();
        // The same key, at the address that it has now.
        let line = fs::read_to_string(known_hosts).ok()?;
        let (_, key) = line.split_once(' ')?;
        let beside = known_hosts.with_added_extension("lease");
        fs::write(&beside, format!("{address} {key}")).ok()?;
        Some(VmWay {
            address: Address {
                user: record.spec.admin.name().to_owned(),
                host: address.to_string(),
                port: SSH,
            },
            known_hosts: beside,
        })
    }
}

fn accelerator_of(document: Option<&str>) -> Option<Accelerator> {
    let kind = domain_type(document?)?;
    let all = [Accelerator::Kvm, Accelerator::Tcg];
    all.into_iter().find(|it| it.domain_type() == kind)
}
