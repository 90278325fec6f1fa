//! `/sys/fs/cgroup`: what killed containers leave there, and groups that bound memory.
//!
//! A container that was killed with its whole machine leaves empty control groups behind, because
//! nobody was left to remove them. They are found by the ids of the containers that were there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wait;

/// A group is in use until the kernel has let go of its last process.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// Removes those of the containers of a podman store.
pub(crate) fn remove_podman(store: &Path) {
    let ids = ids_in(&store.join("overlay-containers"));
    let groups = ids.iter().flat_map(|id| {
        [
            format!("libpod-{id}/ctr"),
            format!("libpod-{id}"),
            format!("libpod-conmon-{id}"),
        ]
    });
    remove("libpod_parent", &groups.collect::<Vec<_>>());
}

/// Removes those of the pods in a folder of containerd, and the one above them if it was the last
/// of its kind.
pub(crate) fn remove_containerd(root: &Path) {
    let cri = root.join("io.containerd.grpc.v1.cri");
    let ids = [
        ids_in(&cri.join("sandboxes")),
        ids_in(&cri.join("containers")),
    ]
    .concat();
    remove("k8s.io", &ids);
    for parent in parents("k8s.io") {
        // Not there, or in use by another node.
        let _ = fs::remove_dir(parent);
    }
}

/// Where a group that bounds memory lies: in the hierarchy of version 1, else in version 2.
pub(crate) fn memory_group(name: &str) -> PathBuf {
    let first = Path::new("/sys/fs/cgroup/memory");
    let root = if first.is_dir() {
        first
    } else {
        Path::new("/sys/fs/cgroup")
    };
    root.join(name)
}

/// Makes the group and puts a process into it. Beyond this much memory the kernel ends it.
pub(crate) fn limit_memory(group: &Path, bytes: u64, pid: u32) -> io::Result<()> {
    match fs::create_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let limits = ["memory.limit_in_bytes", "memory.max"];
    let limit = limits.iter().map(|file| group.join(file));
    let limit = limit.into_iter().find(|file| file.exists());
    let limit = limit.ok_or_else(|| io::Error::other("no memory controller here"))?;
    fs::write(limit, bytes.to_string())?;
    fs::write(group.join("cgroup.procs"), pid.to_string())
}

/// Removes a group whose processes are gone.
pub(crate) fn remove_group(group: &Path) {
    wait::until_blocking(RELEASE_TIME, || {
        // Not there, or still in use.
        let _ = fs::remove_dir(group);
        !group.exists()
    });
}

fn ids_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.len() == 64)
        .collect()
}

/// Removes these groups below `parent` in every hierarchy.
fn remove(parent: &str, groups: &[String]) {
    let parents = parents(parent);
    let paths: Vec<PathBuf> = parents
        .iter()
        .flat_map(|parent| groups.iter().map(|group| parent.join(group)))
        .collect();
    wait::until_blocking(RELEASE_TIME, || {
        for path in &paths {
            // Not there in this hierarchy, or still in use.
            let _ = fs::remove_dir(path);
        }
        !paths.iter().any(|path| path.exists())
    });
}

/// The group of this name in each hierarchy of version 1, and in version 2.
fn parents(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
    hierarchies
        .map(|entry| entry.path().join(name))
        .chain([root.join(name)])
        .filter(|parent| parent.is_dir())
        .collect()
}
