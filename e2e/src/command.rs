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
    input: Option<PathBuf>,
}

impl Command {
    /// A program at this path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            input: None,
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

    /// Reads this file. Without one, it reads nothing.
    #[must_use]
    pub fn input(mut self, file: &Path) -> Self {
        self.input = Some(file.to_owned());
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
        let output = self.output().await?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// The same, as it printed it.
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    pub async fn output(self) -> Result<Vec<u8>, Error> {
        let name = self.program.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let input = match &self.input {
            None => Stdio::null(),
            Some(path) => {
                let file = std::fs::File::open(path);
                let shown = path.display();
                let file = file
                    .map_err(|error| Error::Unexpected(format!("cannot read {shown}: {error}")))?;
                file.into()
            }
        };
        let output = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .envs(self.env)
            .stdin(input)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| Error::Unexpected(format!("{name} cannot be started: {error}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let verb = self.args.first().map_or("", String::as_str);
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        Err(Error::Unexpected(format!("{name} {verb} failed: {said}")))
    }
}
