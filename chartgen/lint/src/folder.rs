//! Rendered manifests, and charts, as files below a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::object::Manifests;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder is a chart, not what comes out of one.
    #[error(
        "{} is a chart; render it first: helm template NAME {} --output-dir DIR",
        .0.display(),
        .0.display()
    )]
    NotRendered(PathBuf),
    /// There is no manifest in the folder.
    #[error("there is no .yaml, .yml or .json file below {}", .0.display())]
    Empty(PathBuf),
}

impl Manifests {
    /// Reads every `.yaml`, `.yml` and `.json` file below a folder, each named by its path in it.
    ///
    /// # Errors
    /// When the folder cannot be read, holds no manifest, or holds an unrendered chart.
    pub fn read_dir(folder: &Path) -> Result<Self, Error> {
        if folder.join("Chart.yaml").exists() {
            return Err(Error::NotRendered(folder.to_owned()));
        }
        let mut paths = files(folder)?;
        paths.retain(|path| is_manifest(path));
        if paths.is_empty() {
            return Err(Error::Empty(folder.to_owned()));
        }
        let mut manifests = Self::default();
        for path in paths {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
            manifests.add(&name, &String::from_utf8_lossy(&read(&path)?));
        }
        Ok(manifests)
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json"))
}

/// All files below a folder, sorted. Links are not followed: they may lead in circles.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
