//! podman with a store of its own, and a static program to put into images.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_images::oci::Architecture;
use tempfile::TempDir;

/// Says what could not run, where the summary of `make test` finds it.
pub(crate) fn skip(what: &str, why: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "skipped: {what}: {why}").expect("standard error");
}

/// A statically linked busybox, where distributions put it.
pub(crate) fn busybox() -> Option<PathBuf> {
    let folders = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"];
    let mut paths = folders
        .iter()
        .map(|folder| Path::new(folder).join("busybox"));
    paths.find(|path| path.is_file())
}

/// Compiles `probe.rs` as our programs are compiled, static and for an architecture.
pub(crate) fn probe(folder: &Path, architecture: Architecture) -> Option<PathBuf> {
    let (target, compiler) = match architecture {
        Architecture::Amd64 => ("x86_64-unknown-linux-gnu", "x86_64-linux-gnu-gcc"),
        Architecture::Arm64 => ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-gcc"),
    };
    let linker = match Architecture::here() {
        Some(here) if here == architecture => "cc",
        _ => compiler,
    };
    let program = folder.join(format!("probe-{architecture}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe.rs");
    let done = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition=2024",
            "-Ctarget-feature=+crt-static",
            "-Cstrip=symbols",
            "--target",
            target,
        ])
        .arg(format!("-Clinker={linker}"))
        .arg("-o")
        .args([&program, &source])
        .output();
    let done = done.expect("rustc starts");
    if done.status.success() {
        return Some(program);
    }
    let said = text(&done.stderr);
    let why = said.lines().next().unwrap_or_default();
    skip(&format!("an image for {architecture}"), why);
    None
}

/// podman with a store of its own, which goes when this is dropped.
pub(crate) struct Podman {
    folder: TempDir,
}

impl Podman {
    /// None where podman is missing or cannot run, for example in a container without privileges.
    pub(crate) fn start(what: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        // runc and cgroupfs work with both versions of control groups; limits that a machine
        // without CAP_SYS_RESOURCE may set; no network, so nothing to configure.
        let config = "[containers]\n\
            default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(folder.path().join("containers.conf"), config).expect("configuration");
        let place = folder.path().display();
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{place}/store\"\nrunroot = \"{place}/run\"\n"
        );
        fs::write(folder.path().join("storage.conf"), storage).expect("configuration");
        let podman = Self { folder };
        match podman.command(["info"]).output() {
            Ok(done) if done.status.success() => Some(podman),
            Ok(done) => {
                skip(what, &format!("podman info: {}", text(&done.stderr)));
                None
            }
            Err(error) => {
                skip(what, &format!("podman: {error}"));
                None
            }
        }
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new("podman");
        command
            .arg("--tmpdir")
            .arg(folder.join("tmp"))
            .args(args)
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", folder.join("storage.conf"))
            .env("XDG_CONFIG_HOME", folder);
        command
    }

    /// What it prints; the test ends where it fails.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let mut command = self.command(args);
        let done = command.output().expect("podman starts");
        assert!(done.status.success(), "{command:?}: {}", text(&done.stderr));
        text(&done.stdout)
    }

    pub(crate) fn load(&self, archive: &Path) {
        self.ok(["load".as_ref(), "--input".as_ref(), archive.as_os_str()]);
    }

    /// Runs a container with `flags` and gives what it prints.
    pub(crate) fn run_in(&self, flags: &[&str], image: &str, args: &[&str]) -> String {
        let run = ["run", "--rm", "--network=none"];
        self.ok([&run[..], flags, &[image], args].concat())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Unmounts what the store may have mounted; the folder itself goes with its guard.
        let _ = self.command(["rm", "--all", "--force"]).output();
        let _ = self.command(["rmi", "--all", "--force"]).output();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
