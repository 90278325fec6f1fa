//! The folder that machines are in, as libvirt knows it: a storage pool that is the user's own.

use std::path::Path;

use fleet_devices_core::vm::virsh::DirectoryPool;
use fleet_devices_core::vm::{HostPath, KvmHost, VmName};

use super::super::error::VmError;
use super::super::plain::host_path;
use super::virsh::Virsh;

/// Where the machine's own libvirt may let QEMU in, whatever a user's home is like.
const IMAGES: &str = "/var/lib/libvirt/images";

/// The pool of who runs this.
pub(super) fn wanted(uri: &KvmHost, data: &Path) -> Result<DirectoryPool, VmError> {
    let (owner, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let session = *uri == KvmHost::Session;
    let target = if session {
        host_path(&data.join("libvirt"))?
    } else {
        host_path(&Path::new(IMAGES).join(format!("fleet-{}", owner.as_raw())))?
    };
    Ok(DirectoryPool {
        name: name(owner.as_raw())?,
        target,
        owner: owner.as_raw(),
        group: group.as_raw(),
        // QEMU of the machine's own libvirt is another user, and passes through.
        mode: if session { "0700" } else { "0711" },
    })
}

fn name(user: u32) -> Result<VmName, VmError> {
    let name = format!("fleet-{user}");
    name.parse().map_err(|_| VmError::NotFound { name })
}

impl Virsh {
    /// The folder of a pool; `None` where there is no such pool.
    pub(super) async fn pool(&self, pool: &DirectoryPool) -> Result<Option<HostPath>, VmError> {
        let words = ["pool-dumpxml", pool.name.as_str()];
        let found = self.find("show the storage pool", &words).await?;
        Ok(found.as_deref().and_then(DirectoryPool::target_of))
    }

    /// Makes sure that a pool is there and active; its folder. One that somebody moved stays where it is.
    pub(super) async fn ensure_pool(&self, pool: &DirectoryPool) -> Result<HostPath, VmError> {
        let name = pool.name.as_str();
        let target = if let Some(target) = self.pool(pool).await? {
            target
        } else {
            self.define_pool(pool).await?;
            pool.target.clone()
        };
        let info = self
            .run("ask for the storage pool", &["pool-info", name])
            .await?;
        let active = info.lines().filter_map(|line| line.strip_prefix("State:"));
        if !active.map(str::trim).any(|state| state == "running") {
            self.run("start the storage pool", &["pool-start", name])
                .await?;
        }
        Ok(target)
    }

    async fn define_pool(&self, pool: &DirectoryPool) -> Result<(), VmError> {
        let name = pool.name.as_str();
        let file = tempfile::NamedTempFile::new();
        let file = file.map_err(VmError::file("make", &std::env::temp_dir()))?;
        let path = file.path();
        std::fs::write(path, pool.to_xml()).map_err(VmError::file("write", path))?;
        let path = path.to_string_lossy();
        self.run("define the storage pool", &["pool-define", &path])
            .await?;
        self.run("make the storage pool", &["pool-build", name])
            .await?;
        self.run("keep the storage pool", &["pool-autostart", name])
            .await?;
        Ok(())
    }
}
