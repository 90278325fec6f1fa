//! Programs that are already on the machine: taken when their version is the pinned one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::catalog::{Form, Tool};

/// Why a program on the machine cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// It is another version, or says nothing that looks like one.
    #[error("version {pinned} is needed, and it answers {answer:?}")]
    Version {
        /// The pinned version.
        pinned: &'static str,
        /// The first line it printed.
        answer: String,
    },
}

/// Where programs may already be.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder in `KUBEBUILDER_ASSETS`.
    pub assets: Option<PathBuf>,
    /// The folders in `PATH`.
    pub path: Vec<PathBuf>,
}

impl Sources {
    /// As the environment says.
    pub fn from_env() -> Self {
        let assets = env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty());
        let path = env::var_os("PATH").unwrap_or_default();
        Self {
            assets: assets.map(PathBuf::from),
            path: env::split_paths(&path).collect(),
        }
    }

    pub(crate) fn in_assets(&self, tool: Tool) -> Option<PathBuf> {
        let path = self.assets.as_ref()?.join(tool.name());
        is_program(tool, &path).then_some(path)
    }

    pub(crate) fn on_path(&self, tool: Tool) -> Option<PathBuf> {
        self.path
            .iter()
            .map(|folder| folder.join(tool.name()))
            .find(|path| is_program(tool, path))
    }
}

/// A program that is called like a folder of ours could not stand in for it.
fn is_program(tool: Tool, path: &Path) -> bool {
    tool.form() == Form::Program && path.is_file()
}

/// Runs the program's version command and compares.
pub(crate) fn check_version(tool: Tool, path: &Path) -> Result<(), ExternalError> {
    let output = Command::new(path)
        .args(tool.version_args())
        .stdin(Stdio::null())
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    if names_version(&answer, tool.version()) {
        return Ok(());
    }
    Err(ExternalError::Version {
        pinned: tool.version(),
        answer: answer.lines().next().unwrap_or_default().to_owned(),
    })
}

/// Whether one word of the answer is the version, with or without a leading `v`. A suffix such as
/// `-rc.1` makes another word, and so another version; a commit behind `+g` does not.
fn names_version(answer: &str, version: &str) -> bool {
    answer
        .split_whitespace()
        // CoreDNS writes its name and version as one word.
        .map(|word| word.strip_prefix("CoreDNS-").unwrap_or(word))
        .map(|word| word.split_once("+g").map_or(word, |(release, _)| release))
        .any(|word| word.strip_prefix('v').unwrap_or(word) == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_whole_words() {
        assert!(names_version(
            "etcd Version: 3.7.3\nGit SHA: unknown",
            "3.7.3"
        ));
        assert!(names_version("Kubernetes v1.36.3\n", "1.36.3"));
        assert!(names_version("nats-server: v2.15.1", "2.15.1"));
        assert!(names_version("CoreDNS-1.15.0\nlinux/amd64", "1.15.0"));
        assert!(names_version("v4.3.1+g1234567", "4.3.1"));
        assert!(!names_version("containerd 2.4.2+unknown", "2.4.2"));
        assert!(!names_version("Kubernetes v1.36.3-rc.1", "1.36.3"));
        assert!(!names_version("Client Version: v1.36.30", "1.36.3"));
        assert!(!names_version("", "1.36.3"));
    }
}
