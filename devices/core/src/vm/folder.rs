//! The folder of a virtual machine of plain QEMU.

use super::definition::VmFiles;
use super::name::VmName;
use super::path::{HostPath, InvalidHostPath};

/// What a socket's address has room for, without the byte that ends it (unix(7), `sun_path`).
const SOCKET_PATH: usize = 107;

/// A folder in which no machine can live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FolderError {
    /// QEMU cannot be given its path.
    #[error(transparent)]
    Path(#[from] InvalidHostPath),
    /// Linux has no room for the paths of its sockets.
    #[error(
        "{path} is {} bytes too long for a socket: keep the machines in a folder with a shorter path",
        path.as_str().len() - SOCKET_PATH
    )]
    TooDeep {
        /// The longest of them.
        path: HostPath,
    },
}

impl FolderError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Path(error) => error.reason(),
            Self::TooDeep { .. } => "FolderTooDeep",
        }
    }
}

/// Where everything of a machine lies. Nothing of it is elsewhere, but the image below its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmFolder {
    /// The folder.
    pub path: HostPath,
    /// What QEMU is given.
    pub files: VmFiles,
    /// What was defined, and that we did.
    pub record: HostPath,
    /// The key by which it proves who it is.
    pub host_key: HostPath,
    /// The same for who connects to it, in OpenSSH's form.
    pub known_hosts: HostPath,
    /// The socket of its monitor.
    pub monitor: HostPath,
    /// The socket of its console.
    pub console: HostPath,
    /// Where QEMU writes its process id.
    pub pidfile: HostPath,
}

impl VmFolder {
    /// The name of the record in a folder.
    pub const RECORD: &str = "machine.json";

    /// That of a machine, below the folder of all of them.
    pub fn of(machines: &HostPath, name: &VmName) -> Result<Self, FolderError> {
        Self::at(machines.file(name.as_str())?)
    }

    /// This folder.
    pub fn at(path: HostPath) -> Result<Self, FolderError> {
        let folder = Self {
            files: VmFiles {
                disk: path.file("disk.qcow2")?,
                seed: path.file("seed.img")?,
                vars: path.file("vars.fd")?,
                serial_log: path.file("console.log")?,
            },
            record: path.file(Self::RECORD)?,
            host_key: path.file("ssh_host_ed25519_key")?,
            known_hosts: path.file("known_hosts")?,
            monitor: path.file("monitor.sock")?,
            console: path.file("console.sock")?,
            pidfile: path.file("pid")?,
            path,
        };
        let sockets = [&folder.monitor, &folder.console];
        let too_long = |path: &&HostPath| path.as_str().len() > SOCKET_PATH;
        let too_long = sockets.into_iter().find(too_long).cloned();
        too_long.map_or(Ok(folder), |path| Err(FolderError::TooDeep { path }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::super::fixtures::path;
    use super::*;

    #[test]
    fn everything_of_a_machine_is_in_its_folder() {
        let name = "pi-1".parse().expect("a name");
        let folder = VmFolder::of(&path("/var/lib/fleet/"), &name).expect("a folder");
        assert_eq!(folder.record.as_str(), "/var/lib/fleet/pi-1/machine.json");
        let shown = format!("{folder:?}").matches("/var/lib/fleet/pi-1").count();
        assert_eq!(shown, 11);
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told_before_qemu_starts() {
        let name = "x".repeat(63).parse().expect("a name");
        let deep = path(&format!("/{}", "y".repeat(30)));
        let shallow = path(&format!("/{}", "y".repeat(29)));
        assert!(VmFolder::of(&shallow, &name).is_ok());
        let error = VmFolder::of(&deep, &name).expect_err("too deep");
        assert_eq!(error.reason(), "FolderTooDeep");
        assert!(error.to_string().contains("1 bytes too long"), "{error}");
    }
}
