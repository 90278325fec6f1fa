//! What the scenarios share.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    /// With their starts, because ids are used again.
    processes: Vec<(u32, u64)>,
    interfaces: Vec<String>,
    control_groups: Vec<PathBuf>,
}

impl Traces {
    pub(crate) fn of(bed: &Testbed) -> Self {
        Self::seen(&Overview::of(bed))
    }

    pub(crate) fn seen(bed: &Overview) -> Self {
        let recorded: Vec<u32> = bed.processes().into_iter().map(|(_, pid)| pid).collect();
        // And all that run inside of machines.
        let host = namespaces_of(std::process::id());
        let mut machines: Vec<PathBuf> = recorded.iter().copied().flat_map(namespaces_of).collect();
        machines.retain(|namespace| !host.contains(namespace));
        let in_machine = |pid: &u32| namespaces_of(*pid).iter().any(|own| machines.contains(own));
        let inside = all_pids().into_iter().filter(in_machine);
        let processes = recorded.iter().copied().chain(inside);
        Self {
            folder: bed.folder().to_owned(),
            processes: processes
                .filter_map(|pid| Some((pid, start(pid)?)))
                .collect(),
            interfaces: interfaces(bed),
            control_groups: control_groups(bed.folder()),
        }
    }

    /// How many control groups of pods there are to be left.
    pub(crate) fn control_groups(&self) -> usize {
        self.control_groups.len()
    }

    /// Nothing is left: no process, none that names the folder, no mount, no interface, no control
    /// group.
    pub(crate) fn assert_gone(&self) {
        let ran = !self.processes.is_empty();
        assert!(ran, "nothing ran, so nothing was shown");
        for (pid, began) in &self.processes {
            assert_ne!(start(*pid), Some(*began), "process {pid} is left");
        }
        assert!(!self.folder.exists(), "{} is left", self.folder.display());
        let name = self.folder.to_string_lossy();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&*name), "a mount is left");
        for interface in &self.interfaces {
            let path = Path::new("/sys/class/net").join(interface);
            assert!(!path.exists(), "interface {interface} is left");
        }
        for group in &self.control_groups {
            assert!(!group.exists(), "{} is left", group.display());
        }
        for pid in all_pids() {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(!line.contains(&*name), "a process is left: {line}");
        }
    }
}

/// The names of the interfaces that a testbed recorded.
fn interfaces(bed: &Overview) -> Vec<String> {
    let journal = std::fs::read_to_string(bed.folder().join("journal")).unwrap_or_default();
    let lines = journal
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of = |entry: serde_json::Value| {
        (entry["kind"] == "interface").then(|| entry["name"].as_str().unwrap_or("?").to_owned())
    };
    lines.filter_map(of).collect()
}

/// The control groups of the pods of the testbed's node.
fn control_groups(folder: &Path) -> Vec<PathBuf> {
    let cri = folder.join("node1/containerd/io.containerd.grpc.v1.cri");
    let ids: Vec<_> = ["sandboxes", "containers"]
        .iter()
        .flat_map(|kind| std::fs::read_dir(cri.join(kind)).into_iter().flatten())
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
    let parents = hierarchies
        .flatten()
        .map(|entry| entry.path().join("k8s.io"))
        .chain([PathBuf::from("/sys/fs/cgroup/k8s.io")]);
    let groups = parents.flat_map(|parent| ids.iter().map(move |id| parent.join(id)));
    groups.filter(|group| group.exists()).collect()
}

fn namespaces_of(pid: u32) -> Vec<PathBuf> {
    let link = |kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["mnt", "net", "pid"].into_iter().filter_map(link).collect()
}

fn all_pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pid = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(pid).collect()
}

/// When a process started, unless it is only an entry that its parent has not read yet: the first
/// process of a container may never do that for what a killed testbed left.
fn start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    (fields.next()? != "Z").then(|| fields.nth(18)?.parse().ok())?
}

/// Says on the real standard error, which the test harness does not keep to itself, that a test
/// cannot do its part on this machine.
pub(crate) fn skip(what: &str, why: &dyn std::error::Error) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}
