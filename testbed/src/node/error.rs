//! Why a node did not start or serve.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::device::machine::MachineError;
use crate::images::ImageError;
use crate::journal::JournalError;
use crate::process::ProcessError;

/// Why something with the node failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Mounts, interfaces and containers need root.
    #[error("a node needs root: it makes namespaces, mounts and interfaces")]
    NotRoot,
    /// The plugins that connect pods are not installed.
    #[error("no network plugins for pods were found; tools/system-packages.sh installs them")]
    NoPlugins,
    /// The machine did not come up.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A program on it did not start, stop or become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It could not be recorded, and so was not made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A program is not built.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// An image of the node's own could not be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file cannot be written or read.
    #[error("cannot write or read {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// containerd's command line could not be run.
    #[error("cannot run ctr on the node")]
    Ctr(#[source] io::Error),
    /// It refused.
    #[error("`ctr {command}` on the node failed: {output}")]
    Refused {
        /// The arguments.
        command: String,
        /// What it printed on standard error.
        output: String,
    },
    /// The API server refused one of the node's objects.
    #[error("cannot apply {object}")]
    Apply {
        /// Kind and name.
        object: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The cluster's DNS did not come up.
    #[error("DNS of the cluster was not ready after {} s; `kubectl -n kube-system describe pods` shows why", .0.as_secs())]
    NoDns(Duration),
}

/// For files of the node.
pub(super) fn file_error(path: &Path) -> impl Fn(io::Error) -> NodeError {
    let path = path.to_owned();
    move |source| NodeError::File {
        path: path.clone(),
        source,
    }
}
