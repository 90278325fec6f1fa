use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::UNIX_EPOCH;

use fleet_devices_core::vm::{BackingImage, HostPath};

use super::super::error::{ImageProblem, VmError};
use super::facts;

const QEMU_IMG: &str = "qemu-img";
const PACKAGES: &str = "qemu-utils (Debian, Ubuntu) or qemu-img (Fedora, Arch)";

/// An image that a disk can be made over.
pub(in crate::vm) struct Image {
    pub(in crate::vm) backing: BackingImage,
    format: String,
}

/// Looks whether a disk of this size can be made over an image.
pub(in crate::vm) async fn look(path: &HostPath, disk_gib: NonZeroU32) -> Result<Image, VmError> {
    let wrong = |problem| VmError::Image {
        path: path.as_ref().to_owned(),
        problem,
    };
    let backing = stat(path)?;
    let output = run(&["info", "--output=json", "--force-share", path.as_str()]).await?;
    if !output.status.success() {
        return Err(wrong(ImageProblem::Unreadable(told(&output))));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let described = BackingImage::described(&said);
    let (format, bytes) =
        described.ok_or_else(|| wrong(ImageProblem::Unreadable(told(&output))))?;
    if !matches!(format.as_str(), "qcow2" | "raw") {
        return Err(wrong(ImageProblem::Format(format)));
    }
    let needed = bytes.div_ceil(1 << 30);
    if needed > u64::from(disk_gib.get()) {
        return Err(wrong(ImageProblem::TooLarge {
            needed,
            given: disk_gib.get(),
        }));
    }
    Ok(Image { backing, format })
}

/// Refuses an image that is not what a disk was made over: the guest would read half of one and half of
/// another.
pub(in crate::vm) fn unchanged(then: &BackingImage) -> Result<(), VmError> {
    let now = stat(&then.path)?;
    if now == *then {
        return Ok(());
    }
    Err(VmError::Image {
        path: then.path.as_ref().to_owned(),
        problem: ImageProblem::Changed,
    })
}

fn stat(path: &HostPath) -> Result<BackingImage, VmError> {
    let file: &Path = path.as_ref();
    let found = fs::metadata(file).and_then(|found| Ok((found.len(), found.modified()?)));
    let (bytes, modified) = found.map_err(VmError::file("read", file))?;
    let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(BackingImage {
        path: path.clone(),
        bytes,
        modified: modified.as_nanos().try_into().unwrap_or(u64::MAX),
    })
}

/// Makes a disk: what it does not have, it takes from the image.
pub(in crate::vm) async fn create(
    disk: &HostPath,
    image: Option<&Image>,
    gib: NonZeroU32,
) -> Result<(), VmError> {
    let size = format!("{gib}G");
    let mut words = vec!["create", "-q", "-f", "qcow2"];
    if let Some(image) = image {
        words.extend(["-b", image.backing.path.as_str(), "-F", &image.format]);
    }
    words.extend([disk.as_str(), &size]);
    succeed("make the disk", disk, &words).await
}

/// Makes a disk larger. What is on it stays as it is; the guest makes use of the rest.
pub(in crate::vm) async fn grow(disk: &HostPath, gib: NonZeroU32) -> Result<(), VmError> {
    let size = format!("{gib}G");
    let words = ["resize", "-q", "-f", "qcow2", disk.as_str(), &size];
    succeed("make the disk larger", disk, &words).await
}

async fn succeed(what: &str, disk: &HostPath, words: &[&str]) -> Result<(), VmError> {
    let output = run(words).await?;
    if output.status.success() {
        return Ok(());
    }
    let told = told(&output);
    if told.contains("No space left on device") {
        let path = disk.as_ref().to_owned();
        return Err(VmError::NoSpace { path });
    }
    Err(VmError::Failed {
        program: QEMU_IMG.to_owned(),
        what: what.to_owned(),
        told,
    })
}

async fn run(words: &[&str]) -> Result<Output, VmError> {
    let program = facts::program(QEMU_IMG, PACKAGES)?;
    let output = tokio::process::Command::new(&program)
        .args(words)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    output.await.map_err(|source| VmError::Start {
        program: QEMU_IMG.to_owned(),
        source,
    })
}

fn told(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    errors.trim().to_owned()
}
