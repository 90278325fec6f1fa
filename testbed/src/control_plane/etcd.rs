//! etcd, on one node.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_tools::{Tool, Toolbox};

use super::ControlPlaneError;
use crate::journal::Journal;
use crate::ports;
use crate::process::{Service, Spec};

/// The store of the API server. Stopping it is the fault "the API server lost its store".
#[derive(Debug)]
pub struct Etcd {
    service: Service,
    data: PathBuf,
}

impl Etcd {
    pub(crate) fn start_new(
        folder: &Path,
        toolbox: &Toolbox,
        journal: &Journal,
    ) -> Result<(Self, String), ControlPlaneError> {
        let client = ports::free().map_err(ControlPlaneError::Port)?;
        let peer = ports::free().map_err(ControlPlaneError::Port)?;
        let url = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let data = folder.join("etcd");
        let spec = Spec::new("etcd", toolbox.path(Tool::Etcd)?, &folder.join("logs"))
            .args(["--data-dir".into(), data.clone().into_os_string()])
            .args([
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("default={peer}")])
            // The data lives as long as the testbed, so waiting for the disk buys nothing.
            .args(["--unsafe-no-fsync", "--log-level", "warn"]);
        let etcd = Self {
            service: Service::new(spec, journal.clone()),
            data,
        };
        etcd.service.spawn()?;
        Ok((etcd, url))
    }

    /// The process: name, log, id.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.spawn()?)
    }

    /// Kills it and removes all that it kept.
    pub(crate) async fn wipe(&self) -> Result<(), ControlPlaneError> {
        self.service.kill().await?;
        match fs::remove_dir_all(&self.data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ControlPlaneError::File {
                path: self.data.clone(),
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Stops it.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.terminate().await?)
    }
}
