//! One server of the bus: its process, its folder, and its place among the others.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::NatsError;
use crate::journal::Journal;
use crate::ports;
use crate::process::{Service, Spec};

const READY_TIME: Duration = Duration::from_secs(30);

/// One server.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) service: Service,
    pub(super) address: SocketAddr,
    /// Where the others of the cluster reach it.
    pub(super) route: SocketAddr,
    /// Its name in the cluster.
    pub(super) name: String,
    config: PathBuf,
    store: PathBuf,
}

impl Node {
    /// The first one has the plain names, so that a bus of one looks as it always did.
    pub(super) fn create(
        number: usize,
        home: &Path,
        logs: &Path,
        ip: IpAddr,
        program: PathBuf,
        journal: &Journal,
    ) -> Result<Self, NatsError> {
        let suffix = match number {
            0 => String::new(),
            other => format!("-{}", other + 1),
        };
        let free = || ports::free_on(ip).map_err(|source| NatsError::Port(ip, source));
        let config = home.join(format!("nats{suffix}.conf"));
        let spec = Spec::new(format!("nats-server{suffix}"), program, logs)
            .args(["--config".into(), config.clone().into_os_string()]);
        Ok(Self {
            service: Service::new(spec, journal.clone()),
            address: SocketAddr::new(ip, free()?),
            route: SocketAddr::new(ip, free()?),
            name: format!("testbed{suffix}"),
            store: home.join(format!("store{suffix}")),
            config,
        })
    }

    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    pub(super) fn write_config(&self, config: &str) -> Result<(), NatsError> {
        let written = crate::secret::write(&self.config, config.as_bytes());
        written.map_err(|source| NatsError::File {
            path: self.config.clone(),
            source,
        })
    }

    pub(super) async fn start(&self) -> Result<(), NatsError> {
        self.service.spawn()?;
        let ready = self.service.wait_ready(READY_TIME, || self.answers());
        Ok(ready.await?)
    }

    /// Has a running server take up its configuration.
    pub(super) async fn reload(&self) -> Result<(), NatsError> {
        let reloads = || {
            let log = self.service.log();
            log.matches("Reloaded server configuration").count()
        };
        let before = reloads();
        self.service.signal(Signal::HUP)?;
        let reloaded = || async { reloads() > before };
        Ok(self.service.wait_ready(READY_TIME, reloaded).await?)
    }

    /// Removes its data; it must not run.
    pub(super) fn wipe(&self) -> Result<(), NatsError> {
        match fs::remove_dir_all(&self.store) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(NatsError::File {
                path: self.store.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// A server that takes connections greets with its `INFO` line.
    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else {
            return false;
        };
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO "
    }
}
