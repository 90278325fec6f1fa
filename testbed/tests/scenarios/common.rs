//! What the scenarios share.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fleet_testbed::{Device, Overview, Testbed, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For what takes a moment on a machine that also compiles.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The image that [`run_web`] runs.
pub(crate) const IMAGE: &str = "localhost/fleet-demo/web:v1";

/// The body that answers at an address, once one does.
pub(crate) async fn body_at(address: SocketAddr) -> Option<String> {
    let get = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), get)
        .await
        .ok()?
}

/// Waits until `body` answers on port 8080 of a device.
pub(crate) async fn assert_serves(device: &Device, body: &str) {
    let address = SocketAddr::new(device.host_ip(), 8080);
    let serves = || async { body_at(address).await.as_deref() == Some(body) };
    assert!(
        wait::until(SOON, serves).await,
        "{} does not serve {body:?}",
        device.id()
    );
}

/// Loads an image with this body and runs it on port 8080.
pub(crate) async fn run_web(device: &Device, body: &str) {
    device.load_image(IMAGE, body).await.unwrap();
    // With the address, because rootless devices share the host's ports.
    let port = format!("{}:8080:80", device.host_ip());
    device
        .podman_ok(["run", "-d", "--name", "web", "-p", &port, IMAGE])
        .await
        .unwrap();
}

/// All that a testbed may leave behind.
pub(crate) struct Traces {
    folder: PathBuf,
    pids: Vec<u32>,
}

impl Traces {
    pub(crate) fn of(bed: &Testbed) -> Self {
        Self::seen(&Overview::of(bed))
    }

    pub(crate) fn seen(bed: &Overview) -> Self {
        let pids = bed.processes().into_iter().map(|(_, pid)| pid).collect();
        Self {
            folder: bed.folder().to_owned(),
            pids,
        }
    }

    /// Nothing is left: no process, none that names the folder, no mount, no interface.
    pub(crate) fn assert_gone(&self) {
        assert!(!self.pids.is_empty(), "nothing ran, so nothing was shown");
        for pid in &self.pids {
            assert!(!runs(*pid), "process {pid} is left");
        }
        assert!(!self.folder.exists(), "{} is left", self.folder.display());
        let name = self.folder.to_string_lossy();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&*name), "a mount is left");
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(!line.contains(&*name), "a process is left: {line}");
        }
    }
}

/// Whether a process is more than an entry that its parent has not read yet: the first process of
/// a container may never do that for what a killed testbed left.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Says on the real standard error, which the test harness does not keep to itself, that a test
/// cannot do its part on this machine.
pub(crate) fn skip(what: &str, why: &dyn std::error::Error) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}
