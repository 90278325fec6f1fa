use std::env;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::Content;
use fleet_devices_core::vm::{Firmware, HostFacts, Padded, QmpCommand};
use tokio::io::AsyncWriteExt as _;

use super::super::error::VmError;
use super::{host_path, sparse};

const KVM: &str = "/dev/kvm";

/// What this machine has to offer to a guest.
pub(in crate::vm) async fn find(guest: VmArchitecture, cache: &Path) -> Result<HostFacts, VmError> {
    let emulator = program(guest.emulator(), emulator_packages(guest))?;
    let firmware = firmware(guest)?;
    // A program of another architecture does not run here, so it is the host's.
    let architecture = if cfg!(target_arch = "aarch64") {
        VmArchitecture::Aarch64
    } else {
        VmArchitecture::X86_64
    };
    Ok(HostFacts {
        architecture,
        kvm_usable: architecture == guest && kvm_works(&emulator, guest).await,
        emulator: host_path(&emulator)?,
        firmware_code: host_path(&code(&firmware, cache)?)?,
    })
}

/// Where a program is.
pub(crate) fn program(name: &str, packages: &'static str) -> Result<PathBuf, VmError> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&folders).map(|folder| folder.join(name));
    let found = places.find(|path| path.is_absolute() && path.is_file());
    found.ok_or_else(|| VmError::NoProgram {
        program: name.to_owned(),
        packages,
    })
}

const fn emulator_packages(guest: VmArchitecture) -> &'static str {
    match guest {
        VmArchitecture::X86_64 => "qemu-system-x86",
        VmArchitecture::Aarch64 => {
            "qemu-system-arm (Debian, Ubuntu) or qemu-system-aarch64 (Fedora, Arch)"
        }
    }
}

pub(in crate::vm) fn firmware(guest: VmArchitecture) -> Result<Firmware, VmError> {
    Ok(Firmware::find(guest, |path| Path::new(path).is_file())?)
}

/// The firmware's code, of the length that the guest's board needs: as it is, or a copy that all guests share.
fn code(firmware: &Firmware, cache: &Path) -> Result<PathBuf, VmError> {
    let found = Path::new(&firmware.code);
    let length = fs::metadata(found).map_err(VmError::file("read", found))?;
    let Padded::To(length) = firmware.padded_length(length.len())? else {
        return Ok(found.to_owned());
    };
    // By what is in it: another version of the package is another file.
    let content = fs::read(found).map_err(VmError::file("read", found))?;
    let content = Content::new(content);
    let sum = content.checksum().get(..16).unwrap_or_default();
    let folder = cache.join("firmware");
    fs::create_dir_all(&folder).map_err(VmError::file("make", &folder))?;
    let padded = folder.join(format!("{sum}.fd"));
    if padded.is_file() {
        return Ok(padded);
    }
    // Whoever is at the same sees a whole one or none.
    let part = folder.join(format!(".{sum}.{}", std::process::id()));
    let _ = fs::remove_file(&part);
    sparse::copy(Some(found), &part, length).map_err(VmError::file("write", &part))?;
    fs::rename(&part, &padded).map_err(VmError::file("write", &padded))?;
    Ok(padded)
}

/// Whether QEMU can use it. That the device opens says little, and that QEMU takes it not enough: inside a virtual
/// machine it may be there and fail with the first processor. So one is made, of the kind that guests get.
pub(crate) async fn kvm_works(emulator: &Path, guest: VmArchitecture) -> bool {
    if OpenOptions::new().read(true).write(true).open(KVM).is_err() {
        return false;
    }
    let options = [
        "-accel", "kvm", "-cpu", "host", "-m", "16", "-display", "none",
    ];
    let started = tokio::process::Command::new(emulator)
        .args(["-machine", guest.machine()])
        .args(options)
        .args(["-no-user-config", "-nodefaults", "-S", "-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = started else {
        return false;
    };
    if let Some(mut monitor) = child.stdin.take() {
        let lines = [QmpCommand::Capabilities, QmpCommand::Quit].map(QmpCommand::line);
        // One that could not begin reads nothing, and says why by its exit status.
        let _ = monitor.write_all(lines.concat().as_bytes()).await;
        let _ = monitor.flush().await;
        return child.wait().await.is_ok_and(|status| status.success());
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use fleet_devices_core::vm::Padding;

    use super::*;

    #[test]
    fn firmware_that_is_too_short_is_padded_once_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let (found, cache) = (folder.path().join("code.fd"), folder.path().join("cache"));
        let firmware = |padding| Firmware {
            code: found.to_string_lossy().into_owned(),
            vars: None,
            padding,
        };
        fs::write(&found, [7; 4096]).expect("written");
        let as_it_is = code(&firmware(Padding::None), &cache).expect("found");
        assert_eq!(as_it_is, found);
        assert!(!cache.exists());
        let padded = code(&firmware(Padding::Pflash), &cache).expect("padded");
        let length = fs::metadata(&padded).expect("there").len();
        assert_eq!(length, 64 << 20);
        let again = code(&firmware(Padding::Pflash), &cache).expect("there");
        assert_eq!(again, padded);
        // An update of the package is another file.
        fs::write(&found, [8; 4096]).expect("written");
        let other = code(&firmware(Padding::Pflash), &cache).expect("padded");
        assert_ne!(other, padded);
        assert_eq!(
            fs::read_dir(cache.join("firmware")).expect("there").count(),
            2
        );
    }
}
