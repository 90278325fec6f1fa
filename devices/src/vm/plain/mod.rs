//! Virtual machines by QEMU alone: a folder each, and a process each while they run.
//!
//! | module | does |
//! |---|---|
//! | `draft` | a machine that is to be made |
//! | `files` | a machine's folder: made beside its place, and put there when it is whole |
//! | `image` | disks, by `qemu-img` |
//! | `seed` | the file system with the seed |
//! | `facts` | what this machine has to offer: QEMU, firmware, KVM |
//! | `process` | QEMU's process: whether it is the one, its start and its end |
//! | `monitor` | what QEMU is told while it runs |

pub(in crate::vm) mod draft;
pub(crate) mod facts;
pub(in crate::vm) mod files;
pub(in crate::vm) mod image;
mod monitor;
mod port;
mod process;
mod seed;
mod sparse;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_devices_core::vm::qemu::{accelerator_of, argument_difference};
use fleet_devices_core::vm::{
    HostFacts, HostPath, PlainQemu, RecordError, Redefinition, RunState, VmFolder, VmName,
    VmNetwork, VmRecord, VmSpec,
};

use super::error::VmError;
use super::folders::Folders;
use super::host::{Console, Intent, SHUTS_DOWN_WITHIN, VirtualMachineHost, VmInfo, VmState, VmWay};
use crate::host::Outcome;
use draft::{Draft, RUNS};
use files::Held;
use monitor::Monitor;
use process::Process;

/// This machine, as one that runs virtual machines by QEMU alone. Their networks are QEMU's: they reach out, this
/// machine reaches forwarded ports of theirs, and its own loopback address is `10.0.2.2` there.
#[derive(Debug, Clone)]
pub struct PlainQemuHost {
    machines: HostPath,
    cache: PathBuf,
    shuts_down_within: Duration,
}

/// A machine of ours, and its process while it runs.
struct Machine {
    folder: VmFolder,
    record: VmRecord,
    process: Option<Process>,
}

impl PlainQemuHost {
    /// That keeps its machines in these folders.
    ///
    /// # Errors
    /// When QEMU cannot be given paths in there.
    pub fn new(folders: &Folders) -> Result<Self, VmError> {
        Ok(Self {
            machines: host_path(&folders.machines())?,
            cache: folders.cache().to_owned(),
            shuts_down_within: SHUTS_DOWN_WITHIN,
        })
    }

    /// With other patience for guests that are asked to shut down.
    #[must_use]
    pub fn shutting_down_within(self, shuts_down_within: Duration) -> Self {
        Self {
            shuts_down_within,
            ..self
        }
    }

    fn folder(&self, name: &VmName) -> Result<VmFolder, VmError> {
        Ok(VmFolder::of(&self.machines, name)?)
    }

    /// The machine of this name; `None` where there is none.
    fn find(&self, name: &VmName) -> Result<Option<Machine>, VmError> {
        let folder = self.folder(name)?;
        let Some(record) = files::read(&folder, name)? else {
            return Ok(None);
        };
        let process = Process::of(&folder)?;
        Ok(Some(Machine {
            folder,
            record,
            process,
        }))
    }

    fn machine(&self, name: &VmName) -> Result<Machine, VmError> {
        let found = self.find(name)?;
        found.ok_or_else(|| VmError::not_found(name))
    }

    async fn define(&self, wanted: &VmSpec, intent: Intent) -> Result<Outcome, VmError> {
        let folder = self.folder(&wanted.name)?;
        let facts = facts::find(wanted.architecture, &self.cache).await?;
        let place = format!("in {}", folder.path);
        let draft = Draft::of(wanted, &self.machines, &place).await?;
        if intent == Intent::Plan {
            return Ok(Outcome::Planned(draft.difference));
        }
        files::make(&folder, &draft).await?;
        start(&folder, &draft.record, &facts).await?;
        Ok(Outcome::Changed(draft.difference))
    }

    async fn mend(
        &self,
        machine: Machine,
        wanted: &VmSpec,
        intent: Intent,
    ) -> Result<Outcome, VmError> {
        let Machine {
            folder,
            record,
            process,
        } = machine;
        let redefinition = record.redefine(wanted)?;
        let Redefinition {
            record,
            mut difference,
            disk_grows,
        } = redefinition.unwrap_or_else(|| Redefinition::none(record));
        let redefined = !difference.is_empty();
        let facts = facts::find(wanted.architecture, &self.cache).await?;
        if let Some(process) = &process {
            let arguments = arguments(&folder, &record, &facts);
            let other = argument_difference(&process.arguments, &arguments);
            if !redefined && !other.is_empty() {
                difference.push("it runs with other arguments than it would now:".to_owned());
                difference.extend(other);
            }
        } else {
            difference.push(RUNS.to_owned());
        }
        if difference.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        if intent == Intent::Plan {
            return Ok(Outcome::Planned(difference));
        }
        if let Some(process) = process {
            self.shut_down(&folder, &record, process).await?;
        }
        if redefined {
            files::rewrite(&folder, &record, disk_grows).await?;
        }
        start(&folder, &record, &facts).await?;
        Ok(Outcome::Changed(difference))
    }

    /// Asks the guest; where it does not listen, as one without an operating system, its power is cut.
    async fn shut_down(
        &self,
        folder: &VmFolder,
        record: &VmRecord,
        process: Process,
    ) -> Result<(), VmError> {
        let name = &record.spec.name;
        let asked = async {
            let mut monitor = Monitor::connect(folder, name).await?;
            monitor.power_down().await
        };
        if let Err(error) = asked.await {
            tracing::warn!(%name, %error, "it cannot be asked to shut down");
        } else if process.ends_within(self.shuts_down_within).await? {
            return Ok(());
        }
        tracing::warn!(%name, "it did not shut itself down; its power is cut");
        process.kill(name).await
    }
}

pub(in crate::vm) fn host_path(path: &Path) -> Result<HostPath, VmError> {
    Ok(path.to_string_lossy().parse()?)
}

fn arguments(folder: &VmFolder, record: &VmRecord, facts: &HostFacts) -> Vec<String> {
    let plain = PlainQemu {
        monitor: folder.monitor.clone(),
        console: folder.console.clone(),
        pidfile: folder.pidfile.clone(),
        ssh: record.ssh_port,
        forwards: record.spec.forwards.clone(),
    };
    let definition = record
        .spec
        .definition(folder.files.clone(), VmNetwork::User);
    plain.arguments(&definition, facts)
}

async fn start(folder: &VmFolder, record: &VmRecord, facts: &HostFacts) -> Result<(), VmError> {
    if let Some(image) = &record.image {
        image::unchanged(image)?;
    }
    let arguments = arguments(folder, record, facts);
    process::start(&record.spec.name, facts, &arguments).await
}

async fn state(machine: &Machine) -> VmState {
    if machine.process.is_none() {
        return VmState::Off;
    }
    let asked = async {
        let name = &machine.record.spec.name;
        let mut monitor = Monitor::connect(&machine.folder, name).await?;
        monitor.status().await
    };
    match asked.await {
        Ok(RunState::Halted(why)) => VmState::Halted(why),
        // Another one of us may hold the monitor: it takes one at a time. Its process is there.
        Ok(RunState::Running) | Err(_) => VmState::Running,
    }
}

async fn describe(machine: Machine) -> VmInfo {
    let state = state(&machine).await;
    let Machine {
        folder,
        record,
        process,
    } = machine;
    let accelerator = process.and_then(|process| accelerator_of(&process.arguments));
    let way = VmWay::forwarded(&folder, &record);
    VmInfo::of(record, state, accelerator, Some(way))
}

impl VirtualMachineHost for PlainQemuHost {
    async fn list(&self) -> Result<Vec<VmInfo>, VmError> {
        let mut found = Vec::new();
        for name in files::names(&self.machines)? {
            match self.find(&name) {
                Ok(Some(machine)) => found.push(describe(machine).await),
                Ok(None) | Err(VmError::NameTaken { .. }) => {}
                Err(error) => tracing::warn!(%name, %error, "a machine that cannot be read"),
            }
        }
        Ok(found)
    }

    async fn info(&self, name: &VmName) -> Result<VmInfo, VmError> {
        Ok(describe(self.machine(name)?).await)
    }

    async fn ensure(&self, wanted: &VmSpec, intent: Intent) -> Result<Outcome, VmError> {
        let _held = match intent {
            Intent::Carry => Some(Held::of(&self.machines).await?),
            Intent::Plan => None,
        };
        match self.find(&wanted.name)? {
            None => self.define(wanted, intent).await,
            Some(machine) => self.mend(machine, wanted, intent).await,
        }
    }

    /// By killing QEMU, and not by its `system_reset`: that leaves in place what the guest has handed to the
    /// disk and not asked to be kept.
    async fn power_cycle(&self, name: &VmName) -> Result<(), VmError> {
        // Where there is none, nothing is made to hold on to.
        self.machine(name)?;
        let _held = Held::of(&self.machines).await?;
        let machine = self.machine(name)?;
        let facts = facts::find(machine.record.spec.architecture, &self.cache).await?;
        if let Some(process) = machine.process {
            process.kill(name).await?;
        }
        start(&machine.folder, &machine.record, &facts).await
    }

    async fn delete(&self, name: &VmName) -> Result<(), VmError> {
        let folder = self.folder(name)?;
        files::require(&folder, name)?;
        let _held = Held::of(&self.machines).await?;
        if let Some(process) = Process::of(&folder)? {
            process.kill(name).await?;
        }
        files::remove(&folder)
    }

    async fn console(&self, name: &VmName) -> Result<Console, VmError> {
        let machine = self.machine(name)?;
        let socket = machine.folder.console.as_ref().to_owned();
        Ok(Console {
            socket: machine.process.map(|_| socket),
            log: machine.folder.files.serial_log.as_ref().to_owned(),
        })
    }
}

/// Whether what is there is somebody else's, and how that is known.
fn taken(name: &VmName, folder: &VmFolder, source: RecordError) -> VmError {
    VmError::NameTaken {
        name: name.to_string(),
        path: folder.path.as_ref().to_owned(),
        source,
    }
}
