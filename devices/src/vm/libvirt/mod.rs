//! Virtual machines by libvirt, asked through `virsh` (docs/adr/0046).
//!
//! A machine has the same folder as one of plain QEMU, in a storage pool that is the user's own; libvirt has its
//! definition, with our mark and a fingerprint of what was wanted.
//!
//! | module | does |
//! |---|---|
//! | `virsh` | asks |
//! | `pool` | the storage pool |
//! | `copies` | images, where QEMU may read them |
//! | `info` | what a machine is, and the way to it |
//! | `domain` | the definition: made, compared, started, ended, removed |

mod copies;
mod domain;
mod info;
mod pool;
mod virsh;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_devices_core::vm::virsh::{DirectoryPool, DomainState};
use fleet_devices_core::vm::{
    DomainXmlParams, Forward, HostPath, KvmHost, Redefinition, VmFolder, VmName, VmNetwork,
    VmRecord, VmSpec, resolve,
};
use uuid::Uuid;

use super::error::VmError;
use super::folders::Folders;
use super::host::{Console, Intent, SHUTS_DOWN_WITHIN, VirtualMachineHost, VmInfo};
use super::plain::draft::{Draft, RUNS};
use super::plain::files::{self, Held};
use super::plain::{facts, image};
use crate::host::Outcome;
use copies::remove_copies;
use domain::forwarded;
use virsh::Virsh;

/// SSH's.
const SSH: u16 = 22;

/// This machine, as one that runs virtual machines by libvirt: its own (`qemu:///system`), where guests have an
/// address in the network `default`, or the user's (`qemu:///session`), where ports of this machine lead to them.
#[derive(Debug, Clone)]
pub struct LibvirtHost {
    virsh: Virsh,
    pool: DirectoryPool,
    cache: PathBuf,
    shuts_down_within: Duration,
}

/// A machine of ours.
struct Machine {
    folder: VmFolder,
    record: VmRecord,
}

impl LibvirtHost {
    /// By this connection, with what is the user's in these folders.
    ///
    /// # Errors
    /// When QEMU cannot be given paths in there, or the machines would run elsewhere.
    pub fn new(uri: KvmHost, folders: &Folders) -> Result<Self, VmError> {
        if !uri.is_here() {
            return Err(VmError::Elsewhere {
                connection: uri.to_string(),
            });
        }
        Ok(Self {
            pool: pool::wanted(&uri, folders.data())?,
            virsh: Virsh::at(uri),
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

    /// Where machines are, whether the pool is there yet or not.
    async fn machines(&self) -> Result<HostPath, VmError> {
        let found = self.virsh.pool(&self.pool).await?;
        Ok(found.unwrap_or_else(|| self.pool.target.clone()))
    }

    async fn find(&self, name: &VmName) -> Result<Option<Machine>, VmError> {
        let folder = VmFolder::of(&self.machines().await?, name)?;
        let record = files::read(&folder, name)?;
        Ok(record.map(|record| Machine { folder, record }))
    }

    async fn machine(&self, name: &VmName) -> Result<Machine, VmError> {
        let found = self.find(name).await?;
        found.ok_or_else(|| VmError::not_found(name))
    }

    fn forwards(&self, record: &VmRecord) -> Vec<Forward> {
        if !forwarded(self.virsh.uri(), record) {
            return vec![];
        }
        let ssh = std::num::NonZeroU16::new(SSH).map(|guest| Forward {
            host: record.ssh_port,
            guest,
        });
        ssh.into_iter()
            .chain(record.spec.forwards.iter().copied())
            .collect()
    }

    async fn params(
        &self,
        folder: &VmFolder,
        record: &VmRecord,
        uuid: Uuid,
    ) -> Result<DomainXmlParams, VmError> {
        let facts = facts::find(record.spec.architecture, &self.cache).await?;
        let network = if forwarded(self.virsh.uri(), record) {
            VmNetwork::User
        } else {
            VmNetwork::Libvirt("default".to_owned())
        };
        let definition = record.spec.definition(folder.files.clone(), network);
        Ok(resolve(&definition, &facts, uuid).with_console(&folder.console))
    }

    async fn create(&self, wanted: &VmSpec, intent: Intent) -> Result<Outcome, VmError> {
        let carry = intent == Intent::Carry;
        let machines = if carry {
            self.virsh.ensure_pool(&self.pool).await?
        } else {
            self.machines().await?
        };
        let folder = VmFolder::of(&machines, &wanted.name)?;
        // Somebody else's domain of that name is noticed before anything is made.
        let existing = self.virsh.domain(&wanted.name).await?;
        let place = format!("of {} in {}", self.virsh.uri(), folder.path);
        let draft = Draft::of(wanted, &machines, &place).await?;
        if !carry {
            return Ok(Outcome::Planned(draft.difference));
        }
        let uuid = existing.map_or_else(new_uuid, |domain| Ok(domain.uuid))?;
        files::make(&folder, &draft).await?;
        self.let_qemu_in(&folder)?;
        let params = self.params(&folder, &draft.record, uuid).await?;
        self.virsh.define(&folder, &params).await?;
        self.start(&folder, &draft.record).await?;
        Ok(Outcome::Changed(draft.difference))
    }

    async fn mend(
        &self,
        machine: Machine,
        wanted: &VmSpec,
        intent: Intent,
    ) -> Result<Outcome, VmError> {
        let Machine { folder, record } = machine;
        let name = &wanted.name;
        let redefinition = record.redefine(wanted)?;
        let Redefinition {
            record,
            mut difference,
            disk_grows,
        } = redefinition.unwrap_or_else(|| Redefinition::none(record));
        let rewrite = !difference.is_empty();
        let domain = self.virsh.domain(name).await?;
        let uuid = domain
            .as_ref()
            .map_or_else(new_uuid, |domain| Ok(domain.uuid))?;
        let params = self.params(&folder, &record, uuid).await?;
        let mut redefine = rewrite;
        match &domain {
            None => {
                difference.push("+ its domain".to_owned());
                redefine = true;
            }
            Some(domain) => {
                let other = domain.difference(&folder, &params);
                redefine |= !other.is_empty();
                difference.extend(other);
            }
        }
        let off = self.virsh.state(name).await? == DomainState::Off;
        if off {
            difference.push(RUNS.to_owned());
        }
        if difference.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        if intent == Intent::Plan {
            return Ok(Outcome::Planned(difference));
        }
        self.virsh.ensure_pool(&self.pool).await?;
        if redefine && !off {
            self.virsh.shut_down(name, self.shuts_down_within).await?;
        }
        if rewrite {
            files::rewrite(&folder, &record, disk_grows).await?;
        }
        if redefine {
            self.virsh.define(&folder, &params).await?;
        }
        self.start(&folder, &record).await?;
        Ok(Outcome::Changed(difference))
    }

    async fn start(&self, folder: &VmFolder, record: &VmRecord) -> Result<(), VmError> {
        if let Some(image) = &record.image {
            image::unchanged(image)?;
        }
        // Whoever undefined the domain by hand may have removed them with it.
        if !AsRef::<Path>::as_ref(&folder.files.vars).is_file() {
            files::variables(folder, record)?;
        }
        // One that nobody listens on any more is in the way of the next.
        let _ = fs::remove_file(AsRef::<Path>::as_ref(&folder.console));
        self.virsh.start(record, &self.forwards(record)).await
    }

    /// A machine's folder is the user's alone; QEMU of the machine's own libvirt, which is given the single files,
    /// has to pass through. Nobody else may read its disk on that way.
    fn let_qemu_in(&self, folder: &VmFolder) -> Result<(), VmError> {
        if *self.virsh.uri() == KvmHost::Session {
            return Ok(());
        }
        let path: &Path = folder.path.as_ref();
        let disk: &Path = folder.files.disk.as_ref();
        for (path, mode) in [(disk, 0o600), (path, 0o711)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(VmError::file("protect", path))?;
        }
        Ok(())
    }
}

fn new_uuid() -> Result<Uuid, VmError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| crate::key_pair::KeyPairError::Random)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

impl VirtualMachineHost for LibvirtHost {
    async fn list(&self) -> Result<Vec<VmInfo>, VmError> {
        let mut found = Vec::new();
        for name in files::names(&self.machines().await?)? {
            match self.find(&name).await {
                Ok(Some(machine)) => found.push(self.describe(machine).await?),
                Ok(None) | Err(VmError::NameTaken { .. }) => {}
                Err(error) => tracing::warn!(%name, %error, "a machine that cannot be read"),
            }
        }
        Ok(found)
    }

    async fn info(&self, name: &VmName) -> Result<VmInfo, VmError> {
        self.describe(self.machine(name).await?).await
    }

    async fn ensure(&self, wanted: &VmSpec, intent: Intent) -> Result<Outcome, VmError> {
        let _held = match intent {
            Intent::Carry => Some(Held::of(&self.virsh.ensure_pool(&self.pool).await?).await?),
            Intent::Plan => None,
        };
        let wanted = self.in_reach(wanted, intent).await?;
        match self.find(&wanted.name).await? {
            None => self.create(&wanted, intent).await,
            Some(machine) => self.mend(machine, &wanted, intent).await,
        }
    }

    async fn power_cycle(&self, name: &VmName) -> Result<(), VmError> {
        self.machine(name).await?;
        let _held = Held::of(&self.machines().await?).await?;
        let Machine { folder, record } = self.machine(name).await?;
        self.virsh.destroy(name).await?;
        self.start(&folder, &record).await
    }

    async fn delete(&self, name: &VmName) -> Result<(), VmError> {
        let machines = self.machines().await?;
        let folder = VmFolder::of(&machines, name)?;
        files::require(&folder, name)?;
        let _held = Held::of(&machines).await?;
        // One that is not ours is not touched.
        if self.virsh.domain(name).await?.is_some() {
            self.virsh.undefine(name).await?;
        }
        files::remove(&folder)?;
        remove_copies(&machines)
    }

    async fn console(&self, name: &VmName) -> Result<Console, VmError> {
        let Machine { folder, .. } = self.machine(name).await?;
        let on = self.virsh.state(name).await? != DomainState::Off;
        let socket = folder.console.as_ref().to_owned();
        Ok(Console {
            socket: on.then_some(socket),
            log: folder.files.serial_log.as_ref().to_owned(),
        })
    }
}
