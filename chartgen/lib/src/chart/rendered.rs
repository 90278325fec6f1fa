//! The files of a chart, in memory and on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::Dependency;
use crate::emit::HEADER;

/// What a chart with dependencies has.
const LOCK: &str = "Chart.lock";
/// Where Helm keeps dependencies.
const DEPENDENCIES: &str = "charts";

/// The files of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedChart {
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
    /// The charts that it brings. They are not among its files.
    pub dependencies: Vec<Dependency>,
    /// Their content, by their path below the chart's folder.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Why files could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file or folder could not be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be written or removed.
    #[error("cannot write {path:?}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder holds files, and was not written by this library.
    #[error("{path:?} holds files, and no generated chart: nothing was written")]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
}

/// How files on disk differ from those of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Files that the chart has and the folder does not.
    pub missing: Vec<PathBuf>,
    /// Files that the folder has and the chart does not.
    pub extra: Vec<PathBuf>,
    /// Files whose content differs.
    pub changed: Vec<PathBuf>,
}

impl RenderedChart {
    /// The content of a file as text.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<&str> {
        let bytes = self.files.get(path.as_ref())?;
        std::str::from_utf8(bytes).ok()
    }

    /// Writes the chart to a folder and removes what an earlier one left there. A folder with
    /// files that is no generated chart is refused. Files that need no change are not touched.
    pub fn write_to(&self, folder: &Path) -> Result<(), FileError> {
        let drift = self.diff(folder)?;
        let stays = drift.missing.len() < self.files.len();
        if (stays || !drift.extra.is_empty()) && !generated(folder) {
            let path = folder.to_owned();
            return Err(FileError::NotOurs { path });
        }
        for path in &drift.extra {
            let path = folder.join(path);
            fs::remove_file(&path).map_err(|source| FileError::Write { path, source })?;
        }
        for path in drift.missing.iter().chain(&drift.changed) {
            let content = self.files.get(path).map(Vec::as_slice);
            write(&folder.join(path), content.unwrap_or_default())?;
        }
        Ok(())
    }

    /// How a folder differs from the chart. Where the chart has dependencies, those that Helm fetched
    /// into its folder are left out.
    pub fn diff(&self, folder: &Path) -> Result<Drift, FileError> {
        let mut there = Vec::new();
        list(folder, Path::new(""), &mut there)?;
        if self.files.contains_key(Path::new(LOCK)) {
            // `helm dependency build` puts them there, and they are nobody's to commit.
            there.retain(|path| !path.starts_with(DEPENDENCIES));
        }
        let mut drift = Drift::default();
        for path in &there {
            match self.files.get(path) {
                None => drift.extra.push(path.clone()),
                Some(content) if read(&folder.join(path))? != *content => {
                    drift.changed.push(path.clone());
                }
                Some(_) => {}
            }
        }
        let missing = self.files.keys().filter(|path| !there.contains(path));
        drift.missing.extend(missing.cloned());
        Ok(drift)
    }
}

impl Drift {
    /// No difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("missing", &self.missing),
            ("extra", &self.extra),
            ("changed", &self.changed),
        ];
        for (kind, paths) in kinds {
            for path in paths {
                writeln!(f, "{kind}: {}", path.display())?;
            }
        }
        Ok(())
    }
}

/// Whether a folder was written by this library.
fn generated(folder: &Path) -> bool {
    let first = fs::read_to_string(folder.join("Chart.yaml"));
    first.is_ok_and(|text| {
        text.lines()
            .next()
            .is_some_and(|line| line.contains(HEADER))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| {
        let path = path.to_owned();
        FileError::Read { path, source }
    })
}

fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, content));
    written.map_err(|source| {
        let path = path.to_owned();
        FileError::Write { path, source }
    })
}

/// The files below a folder, sorted. A folder that is not there has none.
fn list(folder: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<(), FileError> {
    let path = folder.join(below);
    let failed = |source| {
        let path = path.clone();
        FileError::Read { path, source }
    };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            list(folder, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
