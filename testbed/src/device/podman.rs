//! podman on a device: its own store, socket, configuration and events.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::host;
use super::machine::{Machine, Part, TEMPORARY};
use super::{DeviceError, Place};
use crate::journal::{Journal, MARK};
use crate::process::{Service, Signalled, Spec};

const START_TIME: Duration = Duration::from_secs(60);

/// Where conmon looks for runc and podman.
const CONMON_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The service and its files.
#[derive(Debug)]
pub(super) struct Podman {
    /// The command as typed on the device, without its sub-command.
    command: Spec,
    spec: Spec,
    service: Service,
    store: PathBuf,
    socket: PathBuf,
    config: PathBuf,
    run: PathBuf,
    journal: Journal,
}

impl Podman {
    pub(super) fn new(id: &str, machine: &Machine, place: &Place<'_>) -> Self {
        let Place {
            folder,
            short,
            logs,
            journal,
            ..
        } = place;
        let (store, socket) = (folder.join("store"), short.join("podman.sock"));
        let config = folder.join("containers.conf");
        let run = match machine {
            // In the machine's memory, so gone with its power.
            Machine::Namespaces(_) => PathBuf::from("/run"),
            Machine::Host { .. } => short.to_path_buf(),
        };
        let mut spec = Spec::new(format!("{id}-podman"), "podman", logs)
            .args(["--root".into(), store.clone().into_os_string()])
            .args(["--runroot".into(), run.join("containers").into_os_string()])
            .args(["--tmpdir".into(), run.join("libpod").into_os_string()])
            .args(["--cgroup-manager", "cgroupfs", "--log-level", "warn"])
            .env("CONTAINERS_CONF", &config)
            // A user's own settings would change what is tested.
            .env("CONTAINERS_STORAGE_CONF", folder.join("storage.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", folder.join("registries.conf"))
            .env("XDG_CONFIG_HOME", folder)
            .env("XDG_DATA_HOME", folder);
        if let Machine::Host { .. } = machine {
            // podman, runc and the pause process keep their state there; see `host::cut_power`.
            spec = spec.env("XDG_RUNTIME_DIR", &run);
            // Rootless podman is a parent that waits for a child in the user namespace.
            spec.signalled = Signalled::Child;
        }
        if let Machine::Namespaces(_) = machine {
            spec = spec.env("TMPDIR", TEMPORARY);
        }
        let command = spec.clone();
        let spec = spec
            .args(["system", "service", "--time", "0"])
            .args([format!("unix://{}", socket.display())]);
        let service = Service::new(spec.clone(), (*journal).clone());
        Self {
            command,
            spec,
            service,
            store,
            socket,
            config,
            run,
            journal: (*journal).clone(),
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn write_config(&self, registry: Option<SocketAddr>) -> io::Result<()> {
        // runc and cgroupfs work with version 1 and 2 of control groups, crun and systemd do not.
        // Limits equal in both columns, because podman 4's REST API swaps the columns; low enough
        // that a machine without CAP_SYS_RESOURCE may set them. conmon gets no environment but
        // this, and with the mark the clean-up finds it and the container below it.
        let mark = format!("{MARK}={}", self.journal.folder().display());
        let networks = self.config.with_file_name("networks");
        let networks = networks.to_string_lossy();
        let config = format!(
            r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_env_vars = ["PATH={CONMON_PATH}", {mark:?}]
helper_binaries_dir = ["/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman"]

[network]
network_backend = "netavark"
network_config_dir = {networks:?}
"#
        );
        fs::write(&self.config, config)?;
        let store = self.store.display();
        let storage = format!(
            "[storage]\ndriver = \"{}\"\ngraphroot = \"{store}\"\nrunroot = \"{}\"\n",
            storage_driver(),
            self.run.join("containers").display(),
        );
        fs::write(self.config.with_file_name("storage.conf"), storage)?;
        let registries = registry.map_or_else(String::new, |address| {
            format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n")
        });
        fs::write(self.config.with_file_name("registries.conf"), registries)
    }

    pub(super) async fn start(&self, machine: &Machine) -> Result<(), DeviceError> {
        // The socket of a killed service is still there, and podman refuses to bind over it.
        match fs::remove_file(&self.socket) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(DeviceError::File {
                    path: self.socket.clone(),
                    source,
                });
            }
            _ => {}
        }
        self.service
            .set_spec(machine.inside(self.spec.clone(), Part::Whole)?);
        self.service.spawn()?;
        let answers = || async { ping(&self.socket).await.unwrap_or(false) };
        Ok(self.service.wait_ready(START_TIME, answers).await?)
    }

    pub(super) async fn run(&self, args: Vec<String>) -> io::Result<Output> {
        let url = format!("unix://{}", self.socket.display());
        let run = move || {
            Command::new("podman")
                .args(["--url", &url])
                .args(args)
                .env_remove("CONTAINER_HOST")
                .stdin(Stdio::null())
                .output()
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(io::Error::other)?
    }

    /// Runs the command on the device itself, not through the socket.
    pub(super) async fn run_typed(
        &self,
        machine: &Machine,
        args: Vec<String>,
    ) -> Result<Output, DeviceError> {
        let spec = machine.inside(self.command.clone().args(args), Part::Whole)?;
        let run = move || {
            Command::new(&spec.program)
                .args(&spec.args)
                .envs(spec.env.iter().map(|(key, value)| (key, value)))
                .stdin(Stdio::null())
                .output()
        };
        let output = tokio::task::spawn_blocking(run)
            .await
            .map_err(io::Error::other);
        output.flatten().map_err(DeviceError::Podman)
    }

    /// What a power cut takes from a machine that shares the host's namespaces: its containers'
    /// processes and its memory files.
    pub(super) async fn forget_run_state(&self, machine: &Machine) {
        match machine {
            Machine::Namespaces(_) => crate::control_groups::remove_podman(&self.store),
            Machine::Host { .. } => host::cut_power(&self.run).await,
        }
    }
}

/// podman picks overlay itself, but from a store on overlay or NFS it cannot be had.
fn storage_driver() -> &'static str {
    "overlay"
}

/// `GET /_ping`, by hand: a whole HTTP client for one line would be out of proportion.
async fn ping(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream
        .write_all(b"GET /_ping HTTP/1.0\r\nHost: podman\r\n\r\n")
        .await?;
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).await?;
    Ok(answer
        .get(..read)
        .is_some_and(|text| text.starts_with(b"HTTP/1.0 200")))
}
