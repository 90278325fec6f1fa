//! Hosts that run virtual machines.
//!
//! A Linux host becomes one by [`promote`], which looks, and installs and starts what it lacks. There is no
//! other way to a [`KvmMachine`], so who has one need not ask whether libvirt is there:
//!
//! ```
//! use fleet_devices::host::{Linux, Local};
//! use fleet_devices::kvm::KvmMachine;
//! fn on(host: &KvmMachine<Local>) {}
//! fn promoted(machine: KvmMachine<Local>) {
//!     on(&machine);
//! }
//! ```
//!
//! A host that nobody promoted is none:
//!
//! ```compile_fail
//! use fleet_devices::host::{Linux, Local};
//! use fleet_devices::kvm::KvmMachine;
//! fn on(host: &KvmMachine<Local>) {}
//! fn promoted(machine: Linux<Local>) {
//!     on(&machine);
//! }
//! ```
//!
//! And none can be made out of nothing:
//!
//! ```compile_fail
//! use fleet_devices::host::{Linux, Local};
//! use fleet_devices::kvm::KvmMachine;
//! fn promoted(host: Linux<Local>) -> KvmMachine<Local> {
//!     KvmMachine { host }
//! }
//! ```

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::{Ensured, Family, LibvirtNetwork, Membership, Need, Packages, Unit};
use fleet_devices_core::vm::KvmHost;

use crate::host::{HostError, Linux, Outcome, Transport};
use crate::setup::Progress;
use fleet_devices_core::kvm_host;

/// The group that may ask a host's own libvirt.
const GROUP: &str = "libvirt";

/// A host whose own libvirt runs, with QEMU and firmware for guests and its network `default`.
#[derive(Debug)]
pub struct KvmMachine<T> {
    host: Linux<T>,
}

/// What came of a promotion.
#[derive(Debug)]
pub enum Promotion<T> {
    /// It is one. So many things were changed for it.
    Promoted(KvmMachine<T>, usize),
    /// It was only looked at, and so many things would have to be changed.
    Planned(Linux<T>, usize),
}

/// What is done on the way, in this order.
struct Steps {
    packages: Packages,
    units: Vec<Unit>,
    user: Option<Membership>,
}

impl Steps {
    fn of(family: Family, guests: VmArchitecture, user: Option<&str>) -> Self {
        let units: &[&str] = match family {
            // One daemon for each part, started by who asks.
            Family::Fedora => &[
                "virtqemud.socket",
                "virtnetworkd.socket",
                "virtstoraged.socket",
            ],
            Family::Debian | Family::Alpine | Family::Arch => &["libvirtd.service"],
        };
        Self {
            packages: Packages::of(family, Need::of_kvm_host(guests)),
            units: units.iter().map(|name| Unit::system(name)).collect(),
            user: user.map(|user| Membership {
                user: user.to_owned(),
                group: GROUP.to_owned(),
            }),
        }
    }
}

/// Makes a host that runs guests of this processor out of a Linux host, and lets `user` have some.
///
/// # Errors
/// When something cannot be made so.
pub async fn promote<T: Transport>(
    host: Linux<T>,
    guests: VmArchitecture,
    user: Option<&str>,
    progress: &impl Progress,
) -> Result<Promotion<T>, HostError> {
    let steps = Steps::of(host.distribution.family, guests, user);
    let mut changes = 0;
    changes += ensure(&host, &steps.packages, progress).await?;
    if host.plans() && changes > 0 {
        // What is not installed cannot be asked for the rest.
        return Ok(Promotion::Planned(host, changes));
    }
    for unit in &steps.units {
        changes += ensure(&host, unit, progress).await?;
    }
    if host.plans() && changes > 0 {
        return Ok(Promotion::Planned(host, changes));
    }
    changes += ensure(&host, &LibvirtNetwork, progress).await?;
    if let Some(user) = &steps.user {
        changes += ensure(&host, user, progress).await?;
    }
    Ok(if host.plans() && changes > 0 {
        Promotion::Planned(host, changes)
    } else {
        Promotion::Promoted(KvmMachine { host }, changes)
    })
}

async fn ensure<T: Transport>(
    host: &Linux<T>,
    wanted: &impl Ensured,
    progress: &impl Progress,
) -> Result<usize, HostError> {
    let name = wanted.name();
    progress.begins(&name);
    let outcome = host.ensure(wanted).await?;
    progress.ended(&name, &outcome);
    Ok(usize::from(outcome != Outcome::Unchanged))
}

impl<T: Transport> KvmMachine<T> {
    /// The host itself.
    pub const fn host(&self) -> &Linux<T> {
        &self.host
    }

    /// How its libvirt is asked, by who is there.
    pub const fn connection(&self) -> KvmHost {
        kvm_host!("qemu:///system")
    }
}
