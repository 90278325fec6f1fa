//! Programs that are already on the machine: taken when their version is the pinned one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::catalog::Tool;

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

/// The tool in the folder that `KUBEBUILDER_ASSETS` names, if that is set and has it.
pub(crate) fn in_assets(tool: Tool) -> Option<PathBuf> {
    let folder = env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty())?;
    let path = Path::new(&folder).join(tool.name());
    path.is_file().then_some(path)
}

/// The first program of that name on `PATH`.
pub(crate) fn on_path(tool: Tool) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(tool.name()))
        .find(|path| path.is_file())
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
/// `-rc.1` makes another word, and so another version.
fn names_version(answer: &str, version: &str) -> bool {
    answer
        .split_whitespace()
        .any(|word| word.strip_prefix('v').unwrap_or(word) == version)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn versions_are_compared_as_whole_words() {
        assert!(names_version(
            "etcd Version: 3.7.3\nGit SHA: unknown",
            "3.7.3"
        ));
        assert!(names_version("Kubernetes v1.36.3\n", "1.36.3"));
        assert!(names_version("nats-server: v2.15.1", "2.15.1"));
        assert!(!names_version("Kubernetes v1.36.3-rc.1", "1.36.3"));
        assert!(!names_version("Client Version: v1.36.30", "1.36.3"));
        assert!(!names_version("", "1.36.3"));
    }

    #[test]
    fn a_program_that_answers_something_else_is_refused_with_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("etcd");
        std::fs::write(&program, "#!/bin/sh\necho etcd Version: 3.5.0\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let error = check_version(Tool::Etcd, &program).unwrap_err();
        let expected = r#"version 3.7.3 is needed, and it answers "etcd Version: 3.5.0""#;
        assert_eq!(error.to_string(), expected);
    }
}
