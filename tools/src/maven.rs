//! Servers that come as a ZIP file of the Java registry: downloaded by Maven, checked against the
//! pinned hash, unpacked by Python, and made ready by their own Java.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::catalog::Tool;
use crate::download::{Folders, said, with_patience};
use crate::hash::{HashMismatch, check, sha256};
use crate::java::{JavaError, java};

/// The plugin that copies an artifact. A version is named, or Maven would ask which is the newest.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// A pinned artifact. It is told from every other by its hash, wherever it was downloaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// `group:name`.
    pub(crate) coordinate: &'static str,
    /// The SHA-256 of the ZIP file, in hexadecimal digits.
    pub(crate) hash: &'static str,
    /// With these arguments its program settles what does not change between starts. It writes that
    /// beside its libraries, and then the folder may be shared.
    pub(crate) build: &'static [&'static str],
}

/// Why a server could not be taken from its artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no Maven.
    #[error("downloading {0} needs Maven, and `mvn` cannot be started: install it")]
    NoMaven(&'static str, #[source] io::Error),
    /// Maven said no.
    #[error("mvn cannot download {coordinate}:{version}:\n{output}")]
    Download {
        /// `group:name`.
        coordinate: &'static str,
        /// Its version.
        version: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// The file is not the pinned one.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
    /// There is no Python to unpack it.
    #[error("unpacking needs Python 3, and `python3` cannot be started: install it")]
    NoPython(#[source] io::Error),
    /// The file cannot be unpacked.
    #[error("cannot unpack {file}:\n{output}", file = .file.display())]
    Unpack {
        /// The file.
        file: PathBuf,
        /// The end of what was printed.
        output: String,
    },
    /// There is no Java.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// Its program did not make itself ready.
    #[error("{coordinate} cannot make itself ready:\n{output}")]
    Build {
        /// `group:name`.
        coordinate: &'static str,
        /// The end of what it printed.
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

/// Brings the folders of `tools`, which are in the artifact, into `folder`/bin.
pub(crate) fn fetch(
    artifact: Artifact,
    version: &'static str,
    tools: &[Tool],
    folder: &Path,
    retrying: impl FnMut(),
) -> Result<PathBuf, ArtifactError> {
    let failed = |source| ArtifactError::Folder {
        path: folder.to_owned(),
        source,
    };
    let Folders { downloads, bin } = Folders::make(folder).map_err(failed)?;
    with_patience(
        || download(artifact, version, folder, &downloads),
        |error| match error {
            ArtifactError::Download { output, .. } => output.contains("Could not transfer"),
            _ => false,
        },
        retrying,
    )?;
    let file = downloads.join(file_name(artifact, version));
    check(&file, sha256(&file).map_err(failed)?, artifact.hash)?;
    unpack(&file, folder)?;
    for tool in tools {
        let home = bin.join(tool.name());
        fs::rename(folder.join(tool.package()), &home).map_err(failed)?;
        build(artifact, &home)?;
    }
    Ok(bin)
}

fn file_name(artifact: Artifact, version: &str) -> String {
    let name = artifact.coordinate.rsplit(':').next().unwrap_or_default();
    format!("{name}-{version}.zip")
}

/// Maven asks where its settings say. It starts in an empty folder with a repository of its own, so
/// that neither a project around us nor what an earlier run left decides anything.
fn download(
    artifact: Artifact,
    version: &'static str,
    folder: &Path,
    downloads: &Path,
) -> Result<(), ArtifactError> {
    let coordinate = artifact.coordinate;
    let output = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--strict-checksums", COPY])
        .arg(format!("-Dartifact={coordinate}:{version}:zip"))
        .arg(format!("-DoutputDirectory={}", downloads.display()))
        .arg(format!(
            "-Dmaven.repo.local={}",
            folder.join("maven").display()
        ))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ArtifactError::NoMaven(coordinate, source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ArtifactError::Download {
        coordinate,
        version,
        output: said(&output),
    })
}

fn unpack(file: &Path, folder: &Path) -> Result<(), ArtifactError> {
    let output = Command::new("python3")
        .args(["-I", "-m", "zipfile", "-e"])
        .args([file, folder])
        .stdin(Stdio::null())
        .output()
        .map_err(ArtifactError::NoPython)?;
    if output.status.success() {
        return Ok(());
    }
    Err(ArtifactError::Unpack {
        file: file.to_owned(),
        output: said(&output),
    })
}

fn build(artifact: Artifact, home: &Path) -> Result<(), ArtifactError> {
    let coordinate = artifact.coordinate;
    let java = java()?;
    let output = Command::new(&java)
        .arg(format!("-Dkc.home.dir={}", home.display()))
        .arg("-Djava.util.logging.manager=org.jboss.logmanager.LogManager")
        .arg("-cp")
        .arg(home.join("lib").join("quarkus-run.jar"))
        .arg("io.quarkus.bootstrap.runner.QuarkusEntryPoint")
        .args(artifact.build)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| JavaError::Missing {
            program: java,
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ArtifactError::Build {
        coordinate,
        output: said(&output),
    })
}

/// Whether a download could start here.
pub(crate) fn may_download(coordinate: &'static str) -> Result<(), ArtifactError> {
    let asked = Command::new("mvn")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(_) => Ok(()),
        Err(source) => Err(ArtifactError::NoMaven(coordinate, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_zip_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server-1.0.zip");
        fs::write(&file, "not a zip").unwrap();
        let error = unpack(&file, folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot unpack "), "{error}");
        assert!(error.contains("server-1.0.zip"), "{error}");
    }
}
