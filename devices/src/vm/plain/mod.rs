//! Virtual machines by QEMU alone: a folder each, and a process each while they run.
//!
//! | module | does |
//! |---|---|
//! | `files` | a machine's folder: made beside its place, and put there when it is whole |
//! | `image` | disks, by `qemu-img` |
//! | `seed` | the file system with the seed |
//! | `facts` | what this machine has to offer: QEMU, firmware, KVM |
//! | `process` | QEMU's process: whether it is the one, its start and its end |
//! | `monitor` | what QEMU is told while it runs |

pub(crate) mod facts;
pub(in crate::vm) mod files;
pub(in crate::vm) mod image;
mod monitor;
pub(in crate::vm) mod port;
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
use super::host::{Console, Intent, VirtualMachineHost, VmInfo, VmState, VmWay};
use crate::host::{Address, Outcome};
use files::Held;
use monitor::Monitor;
use process::Process;

/// How long a guest may take to shut itself down before its power is cut.
const SHUTS_DOWN_WITHIN: Duration = Duration::from_secs(90);

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
            cache: folders.cache.clone(),
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
        found.ok_or_else(|| VmError::NotFound {
            name: name.to_string(),
        })
    }

    async fn define(&self, wanted: &VmSpec, intent: Intent) -> Result<Outcome, VmError> {
        let folder = self.folder(&wanted.name)?;
        let facts = facts::find(wanted.architecture, &self.cache).await?;
        let image = match &wanted.image {
            Some(path) => Some(image::look(path, wanted.disk_gib).await?),
            None => None,
        };
        let ssh_port = match wanted.ssh_port {
            Some(port) => port,
            None => port::free(&files::ports(&self.machines)?)?,
        };
        let mut spec = wanted.clone();
        spec.ssh_port = None;
        let record = VmRecord {
            spec,
            ssh_port,
            image: image.as_ref().map(|image| image.backing.clone()),
            created: files::now(),
        };
        let mut difference = vec![format!("+ machine {} in {}", wanted.name, folder.path)];
        difference.extend(record.lines().iter().map(|line| format!("+ {line}")));
        difference.push(RUNS.to_owned());
        if intent == Intent::Plan {
            return Ok(Outcome::Planned(difference));
        }
        files::make(&folder, &record, image.as_ref()).await?;
        start(&folder, &record, &facts).await?;
        Ok(Outcome::Changed(difference))
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
        let (record, mut difference, grows) = match redefinition {
            Some(Redefinition {
                record,
                difference,
                disk_grows,
            }) => (record, difference, disk_grows),
            None => (record, vec![], false),
        };
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
            files::rewrite(&folder, &record, grows).await?;
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

/// The line of a difference that says that it is started.
const RUNS: &str = "+ it runs";

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
    let arguments = process.as_ref().map(|process| &process.arguments);
    VmInfo {
        state,
        accelerator: arguments.and_then(|arguments| accelerator_of(arguments)),
        way: Some(VmWay {
            address: Address {
                user: record.spec.admin.name().to_owned(),
                host: "127.0.0.1".to_owned(),
                port: record.ssh_port.get(),
            },
            known_hosts: folder.known_hosts.as_ref().to_owned(),
        }),
        created: record.created,
        name: record.spec.name,
        architecture: record.spec.architecture,
        vcpus: record.spec.vcpus,
        memory_mib: record.spec.memory_mib,
        disk_gib: record.spec.disk_gib,
        image: record.spec.image,
        forwards: record.spec.forwards,
    }
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
        match files::read(&folder, name) {
            // Ours, though it cannot be read.
            Ok(Some(_)) | Err(VmError::Record { .. }) => {}
            Ok(None) => return self.machine(name).map(drop),
            Err(error) => return Err(error),
        }
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
