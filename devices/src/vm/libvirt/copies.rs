//! Images where QEMU of the machine's own libvirt may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fleet_devices_core::vm::{HostPath, KvmHost, VmFolder, VmSpec};

use super::super::error::VmError;
use super::super::host::Intent;
use super::super::plain::{files, image};
use super::LibvirtHost;

/// What copies begin with. Whatever else is in the pool is somebody's own.
const COPY: &str = "image-";

impl LibvirtHost {
    /// The same, with the image where QEMU may read it. That of the machine's own libvirt is another user, and
    /// is not let into a user's home: it gets a copy in the pool, named by what tells it from others.
    pub(super) async fn in_reach(
        &self,
        wanted: &VmSpec,
        intent: Intent,
    ) -> Result<VmSpec, VmError> {
        let mut wanted = wanted.clone();
        let Some(path) = &wanted.image else {
            return Ok(wanted);
        };
        let from: &Path = path.as_ref();
        let machines = self.machines().await?;
        let there = from.starts_with(AsRef::<Path>::as_ref(&machines));
        if *self.virsh.uri() == KvmHost::Session || there {
            return Ok(wanted);
        }
        let found = image::look(path, wanted.disk_gib).await?.backing;
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let copy = machines.file(&format!(
            "{COPY}{:x}-{:x}-{name}",
            found.bytes, found.modified
        ))?;
        let to: &Path = copy.as_ref();
        if !to.is_file() {
            if intent == Intent::Plan {
                return Ok(wanted);
            }
            let part = to.with_added_extension("part");
            let made = || {
                fs::copy(from, &part)?;
                fs::set_permissions(&part, fs::Permissions::from_mode(0o444))?;
                fs::rename(&part, to)
            };
            made().map_err(VmError::file("copy", to))?;
        }
        wanted.image = Some(copy);
        Ok(wanted)
    }
}

/// Removes copies of images that no machine's disk lies over any more.
pub(super) fn remove_copies(machines: &HostPath) -> Result<(), VmError> {
    let folder: &Path = machines.as_ref();
    let mut used = Vec::new();
    for name in files::names(machines)? {
        // What a machine that cannot be read lies over is not known, so all stay.
        let Ok(record) = files::read(&VmFolder::of(machines, &name)?, &name) else {
            return Ok(());
        };
        let image = record.and_then(|record| record.image);
        used.extend(image.map(|image| image.path));
    }
    let entries = fs::read_dir(folder).map_err(VmError::file("read", folder))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let used = used
            .iter()
            .any(|image| AsRef::<Path>::as_ref(image) == path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(COPY) && !used {
            fs::remove_file(&path).map_err(VmError::file("remove", &path))?;
        }
    }
    Ok(())
}
