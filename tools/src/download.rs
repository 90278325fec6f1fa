//! What taking a server from a registry's file has in common, whichever program downloads the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::gobuild::tail;

/// How often a download is tried when the network looks like the cause.
const ATTEMPTS: u32 = 3;

/// Where a download goes, and what is taken from it.
#[derive(Debug)]
pub(crate) struct Folders {
    /// The files as they came.
    pub(crate) downloads: PathBuf,
    /// The programs.
    pub(crate) bin: PathBuf,
}

impl Folders {
    /// Makes both in `folder`.
    pub(crate) fn make(folder: &Path) -> io::Result<Self> {
        let (downloads, bin) = (folder.join("download"), folder.join("bin"));
        for path in [&downloads, &bin] {
            fs::create_dir_all(path)?;
        }
        Ok(Self { downloads, bin })
    }
}

/// Downloads, again while the network looks like the cause; `retrying` hears of each further attempt.
pub(crate) fn with_patience<E>(
    download: impl Fn() -> Result<(), E>,
    is_network: impl Fn(&E) -> bool,
    mut retrying: impl FnMut(),
) -> Result<(), E> {
    for _ in 1..ATTEMPTS {
        match download() {
            Err(error) if is_network(&error) => retrying(),
            other => return other,
        }
    }
    download()
}

/// The end of what a program printed. Some complain on one, some on the other.
pub(crate) fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    tail(&String::from_utf8_lossy(&text), 20)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_the_networks_faults_are_tried_again_and_not_for_ever() {
        let outcome = |errors: &[&'static str]| {
            let (tried, told) = (Cell::new(0), Cell::new(0));
            let download = || {
                let error = errors.get(tried.replace(tried.get() + 1)).copied();
                error.map_or(Ok(()), Err)
            };
            let retrying = || told.set(told.get() + 1);
            let result = with_patience(download, |error| *error == "network", retrying);
            (result, tried.get(), told.get())
        };
        assert_eq!(outcome(&[]), (Ok(()), 1, 0));
        assert_eq!(outcome(&["network"]), (Ok(()), 2, 1));
        assert_eq!(outcome(&["refused"]), (Err("refused"), 1, 0));
        assert_eq!(outcome(&["network"; 9]), (Err("network"), 3, 2));
    }
}
