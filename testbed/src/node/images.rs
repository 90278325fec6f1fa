//! The images that a cluster's own pods need, from scratch.

use std::fs;
use std::path::{Path, PathBuf};

use fleet_images::oci::{Layer, Settings};

use super::NodeError;
use super::error::file_error;
use crate::images;

/// The first container of every pod, which holds its namespaces.
pub(super) const PAUSE: &str = "localhost/fleet-testbed/pause:1";
/// The cluster's DNS.
pub(super) const COREDNS: &str = "localhost/fleet-testbed/coredns:1";

/// Writes both archives into `folder`.
pub(super) async fn write(folder: &Path, coredns: &Path) -> Result<(PathBuf, PathBuf), NodeError> {
    let archives = (folder.join("pause.tar"), folder.join("coredns.tar"));
    let (pause_archive, coredns_archive) = archives.clone();
    let coredns = coredns.to_owned();
    let write = move || {
        pause(&pause_archive)?;
        let program = fs::read(&coredns).map_err(file_error(&coredns))?;
        let layer = Layer::new().file("/coredns", 0o755, program);
        let settings = Settings {
            entrypoint: vec!["/coredns".into()],
            ..Settings::default()
        };
        Ok(images::save(&coredns_archive, COREDNS, settings, layer)?)
    };
    match tokio::task::spawn_blocking(write).await {
        Ok(written) => written.map(|()| archives),
        Err(error) => Err(NodeError::Ctr(std::io::Error::other(error))),
    }
}

/// A shell that waits, because a shell also reaps: pods whose containers share one process
/// namespace have it as their first process.
fn pause(archive: &Path) -> Result<(), NodeError> {
    let layer = Layer::new().file("/busybox", 0o755, images::busybox()?);
    let script = "while :; do /busybox sleep 3600 & wait $!; done";
    let settings = Settings {
        entrypoint: ["/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
        ..Settings::default()
    };
    Ok(images::save(archive, PAUSE, settings, layer)?)
}
