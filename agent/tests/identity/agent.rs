//! The agent's program in a folder of its own.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A device's files, and its agent while it runs.
pub(crate) struct Agent {
    folder: TempDir,
    child: Option<Child>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Self {
            folder,
            child: None,
        };
        agent.write_config("", "");
        agent
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn identity(&self, name: &str) -> PathBuf {
        self.state_dir().join("identity").join(name)
    }

    /// The configuration: what stands before the first section, and sections.
    pub(crate) fn write_config(&self, top: &str, sections: &str) {
        let podman = self.path("no-podman.sock");
        let text = format!(
            "{top}\nstate_dir = \"{}\"\n{sections}\n[podman]\nsocket = \"{}\"\n",
            self.state_dir().display(),
            podman.display()
        );
        fs::write(self.path("agent.toml"), text).expect("written");
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write_private(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
        path
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-agent"));
        command
            .env("FLEET_AGENT_CONFIG", self.path("agent.toml"))
            .env("FLEET_AGENT_LOG", "debug")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        let log = log.expect("a log");
        let child = self.command().stderr(log).spawn().expect("started");
        self.child = Some(child);
    }

    /// Makes a process end with this.
    pub(crate) fn adopt(&mut self, child: Child) {
        self.child = Some(child);
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often something was logged.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Runs it with these arguments until it ends: success, and all it said.
    pub(crate) async fn run(&self, args: &[&str]) -> (bool, String) {
        let mut command = self.command();
        command.args(args);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("no panic").expect("started");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}
