//! `fleet-agent`, the program of devices, as child processes.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_check_core::NAME;
use fleet_contracts::enrolment::EnrolmentToken;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Lines of its output that are kept, to be shown when something fails.
const KEPT: usize = 8;
/// The agent ends at once when it is told to; no longer is waited than this.
const ENDING: Duration = Duration::from_secs(5);

/// Why the agent cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// There is no program.
    #[error("cannot start {path}")]
    Start {
        /// The program.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot be expressed.
    #[error("cannot write the configuration of fleet-agent")]
    Config(#[from] toml::ser::Error),
}

/// How to start it.
#[derive(Debug)]
pub struct Agent {
    program: PathBuf,
    config: PathBuf,
    echo: Echo,
}

/// Whether its output is printed as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// On standard error.
    Yes,
    /// Only its end, and only if something fails.
    No,
}

/// Its configuration, as far as it is not what enrolment brings.
#[derive(Serialize)]
struct Config<'a> {
    device_id: &'a str,
    state_dir: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<Nats<'a>>,
    podman: Podman<'a>,
}

#[derive(Serialize)]
struct Nats<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Podman<'a> {
    socket: &'a Path,
}

impl Agent {
    /// Writes its configuration below `folder`, where it also keeps what it knows.
    pub fn prepare(
        program: PathBuf,
        folder: &Path,
        socket: &Path,
        nats_url: Option<&str>,
        echo: Echo,
    ) -> Result<Self, AgentError> {
        let (config, state_dir) = (folder.join("agent.toml"), folder.join("state"));
        let text = toml::to_string(&Config {
            device_id: NAME,
            state_dir: &state_dir,
            nats: nats_url.map(|url| Nats { url }),
            podman: Podman { socket },
        })?;
        fs::write(&config, text).map_err(|source| AgentError::File {
            path: config.clone(),
            source,
        })?;
        Ok(Self {
            program,
            config,
            echo,
        })
    }

    /// `fleet-agent enrol`, with the token on its standard input.
    pub async fn enrol(
        &self,
        url: &str,
        ca_file: Option<&Path>,
        token: &EnrolmentToken,
    ) -> Result<Running, AgentError> {
        let mut command = self.command();
        command.args(["enrol", "--url", url, "--token-file", "-"]);
        if let Some(path) = ca_file {
            command.arg("--ca-file").arg(path);
        }
        let mut running = self.start(command.stdin(Stdio::piped()))?;
        if let Some(mut input) = running.child.stdin.take() {
            // If it has ended already, what it said is what counts.
            let _ = input.write_all(token.expose().as_bytes()).await;
        }
        Ok(running)
    }

    /// `fleet-agent`.
    pub fn run(&self) -> Result<Running, AgentError> {
        self.start(self.command().stdin(Stdio::null()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("FLEET_AGENT_CONFIG", &self.config)
            .kill_on_drop(true);
        command
    }

    fn start(&self, command: &mut Command) -> Result<Running, AgentError> {
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|source| AgentError::Start {
            path: self.program.clone(),
            source,
        })?;
        let said = Said::default();
        if let Some(out) = child.stdout.take() {
            tokio::spawn(listen(out, said.clone(), self.echo));
        }
        if let Some(err) = child.stderr.take() {
            tokio::spawn(listen(err, said.clone(), self.echo));
        }
        Ok(Running { child, said })
    }
}

/// The last lines of an output.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

async fn listen(from: impl AsyncRead + Unpin, said: Said, echo: Echo) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if echo == Echo::Yes {
            eprintln!("fleet-agent: {line}");
        }
        let mut kept = said.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(line);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

/// A process of it. Dropping this kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: Said,
}

impl Running {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The last it has said, a line each.
    pub fn last_words(&self) -> Vec<String> {
        let kept = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// Ends it in order, so that it says goodbye to the bus; if that takes long, at once.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(ENDING, self.child.wait()).await.is_err() {
            // The same; and there is nothing left to do about it.
            let _ = self.child.kill().await;
        }
    }
}
