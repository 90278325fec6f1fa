//! Programs that are run to their end, as a user would type them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::Error;

/// One command line to be.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Command {
    /// A program at this path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// One of ours, as cargo built it.
    ///
    /// # Errors
    /// When it is not built.
    pub fn ours(name: &str) -> Result<Self, Error> {
        Ok(Self::new(fleet_testbed::program(name)?))
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an option whose value is a path.
    #[must_use]
    pub fn path(self, option: &str, path: &Path) -> Self {
        self.args([option.to_owned(), path.display().to_string()])
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Talks to the cluster of a kubeconfig; without one, to that of the user's own.
    #[must_use]
    pub fn cluster(self, kubeconfig: Option<&Path>) -> Self {
        match kubeconfig {
            Some(path) => self.env("KUBECONFIG", path.display().to_string()),
            None => self,
        }
    }

    /// Runs it and gives what it printed, trimmed.
    ///
    /// # Errors
    /// With what it said on standard error when it fails. Arguments are not repeated: some are
    /// secrets.
    pub async fn run(self) -> Result<String, Error> {
        let name = self.program.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let output = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .envs(self.env)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| Error::Unexpected(format!("{name} cannot be started: {error}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let verb = self.args.first().map_or("", String::as_str);
        let said = text(&output.stderr);
        Err(Error::Unexpected(format!("{name} {verb} failed: {said}")))
    }
}
