//! Helm, of either major version that people use.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fleet_tools::Tool;
use serde_json::Value;
use tokio::process::Command;

use crate::Error;

/// Which major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// The one before, which many clusters still use.
    Three,
    /// The current one; server-side apply.
    Four,
}

impl Major {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Three, Self::Four];

    fn tool(self) -> Tool {
        match self {
            Self::Three => Tool::Helm3,
            Self::Four => Tool::Helm,
        }
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Three => "helm 3",
            Self::Four => "helm 4",
        })
    }
}

/// One Helm with files of its own, so that nothing of the user's configuration is read or changed.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    home: PathBuf,
    cluster: Target,
}

/// Which cluster it talks to.
#[derive(Debug, Clone)]
enum Target {
    None,
    Kubeconfig(PathBuf),
    /// Whatever the user's own Helm would talk to.
    Users,
}

impl Helm {
    /// Helm without a cluster: for lint, template and package. `home` is a folder for its caches.
    ///
    /// # Errors
    /// When it is neither there nor can be built.
    pub fn offline(major: Major, home: &Path) -> Result<Self, Error> {
        let tools = fleet_tools::ensure(&[major.tool()], &mut |_| {}).map_err(|e| no_helm(&e))?;
        Ok(Self {
            program: tools
                .path(major.tool())
                .map_err(|e| no_helm(&e))?
                .to_owned(),
            home: home.to_owned(),
            cluster: Target::None,
        })
    }

    /// The same with the cluster of a kubeconfig.
    #[must_use]
    pub fn with_cluster(mut self, kubeconfig: &Path) -> Self {
        self.cluster = Target::Kubeconfig(kubeconfig.to_owned());
        self
    }

    /// The same with the cluster of the user's current context.
    #[must_use]
    pub fn with_users_cluster(mut self) -> Self {
        self.cluster = Target::Users;
        self
    }

    /// Runs it and gives what it printed.
    ///
    /// # Errors
    /// With what it said on standard error when it fails.
    pub async fn run<A: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, Error> {
        let (printed, _) = self.run_to_end(args).await?;
        Ok(printed)
    }

    /// Runs it and gives what it printed, and then what it said on standard error.
    ///
    /// # Errors
    /// With the latter when it fails.
    pub async fn run_to_end<A: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<(String, String), Error> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let mut command = Command::new(&self.program);
        command
            .args(&args)
            .env("HELM_CACHE_HOME", self.home.join("cache"))
            .env("HELM_CONFIG_HOME", self.home.join("config"))
            .env("HELM_DATA_HOME", self.home.join("data"))
            .stdin(Stdio::null());
        match &self.cluster {
            Target::Users => {}
            Target::None => {
                command.env_remove("KUBECONFIG");
            }
            Target::Kubeconfig(kubeconfig) => {
                // The cluster is on this machine; a proxy of the environment is not for it.
                let direct = "127.0.0.1,localhost,198.18.0.0/15";
                command
                    .env("KUBECONFIG", kubeconfig)
                    .env("NO_PROXY", direct);
            }
        }
        let output = command
            .output()
            .await
            .map_err(|error| Error::Unexpected(format!("helm cannot be started: {error}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok((text(&output.stdout), text(&output.stderr)));
        }
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        Err(Error::Unexpected(format!(
            "helm {} failed: {}",
            args.join(" "),
            text(&output.stderr)
        )))
    }
}

/// Writes values where Helm reads them; JSON is YAML.
///
/// # Errors
/// When the file cannot be written.
pub fn write_values(path: &Path, values: &Value) -> Result<(), Error> {
    std::fs::write(path, format!("{values:#}"))
        .map_err(|error| Error::Unexpected(format!("cannot write {}: {error}", path.display())))
}

fn no_helm(error: &fleet_tools::Error) -> Error {
    Error::Unexpected(format!("there is no helm: {error}"))
}
