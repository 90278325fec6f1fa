//! A folder for machines, which end with it.

use std::fs;
use std::io::Write as _;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fleet_devices::vm::{Folders, PlainQemuHost};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::{AdminUser, DiskCache, Firmware, HostPath, VmFolder, VmSpec};
use fleet_tools::Debian;
use tempfile::TempDir;

use crate::daemon::{Libvirt, Whose};

/// A guest without an operating system hears no request to shut down.
const IMPATIENT: Duration = Duration::from_millis(500);

/// Where the machines of a scenario are.
pub(crate) struct Home(Kept);

/// What ends with it.
enum Kept {
    /// Plain QEMU's.
    Folder(TempDir),
    /// A libvirt's.
    Libvirt(Libvirt),
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(Kept::Folder(tempfile::tempdir().expect("a folder")))
    }

    /// Machines that a user's libvirt runs.
    pub(crate) fn by_libvirt() -> Self {
        Self(Kept::Libvirt(Libvirt::start(Whose::UsersHere)))
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.0 {
            Kept::Folder(folder) => folder.path(),
            Kept::Libvirt(libvirt) => libvirt.folder(),
        }
    }

    /// An image where whoever runs the machines may read it.
    pub(crate) fn reaches(&self, image: &Path) -> PathBuf {
        if matches!(self.0, Kept::Folder(_)) {
            return image.to_owned();
        }
        let copy = self.path().join("image.qcow2");
        fs::copy(image, &copy).expect("copied");
        copy
    }

    pub(crate) fn folders(&self) -> Folders {
        Folders::below(self.path())
    }

    pub(crate) fn host(&self) -> PlainQemuHost {
        let host = PlainQemuHost::new(&self.folders()).expect("a host");
        host.shutting_down_within(IMPATIENT)
    }

    /// Where all of a machine is.
    pub(crate) fn machine(&self, name: &str) -> VmFolder {
        let machines = path(&self.folders().machines());
        let name = name.parse().expect("a name");
        VmFolder::of(&machines, &name).expect("a folder")
    }

    /// The process id of a machine that runs.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let text = fs::read_to_string(&self.machine(name).pidfile).expect("a pidfile");
        text.trim().parse().expect("a number")
    }

    /// As a user runs it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_fleet-devices");
        let mut command = if let (Kept::Libvirt(libvirt), ["vm", words @ ..]) = (&self.0, words) {
            let mut command = libvirt.inside().expect("it runs");
            let of = ["vm", "--libvirt", libvirt.uri()];
            command.arg(program).args(of).args(words);
            command
        } else {
            let mut command = Command::new(program);
            command.args(words);
            command
        };
        command.stdin(Stdio::null());
        command.env("FLEET_HOME", self.path());
        command.env_remove("FLEET_VM_ADMIN_PASSWORD");
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it runs")
    }

    /// It has to succeed; what it printed.
    pub(crate) fn succeed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", told(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    /// It has to fail; what it complained about.
    pub(crate) fn fail(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{words:?}: {}",
            told(&output)
        );
        String::from_utf8(output.stderr).expect("text")
    }
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

impl Drop for Home {
    fn drop(&mut self) {
        let machines = fs::read_dir(self.folders().machines());
        for machine in machines.into_iter().flatten().flatten() {
            let name = machine.file_name().to_string_lossy().into_owned();
            let record = machine.path().join(VmFolder::RECORD);
            if record.exists() {
                let removed = self.run(&["vm", "delete", &name]);
                if !removed.status.success() {
                    eprintln!("{name} is left behind: {}", told(&removed));
                }
            }
        }
    }
}

pub(crate) fn path(path: &Path) -> HostPath {
    let text = path.to_str().expect("text");
    text.parse().expect("an absolute path")
}

pub(crate) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

/// A machine with little of everything, and nothing on its disk.
pub(crate) fn empty(name: &str, architecture: VmArchitecture) -> VmSpec {
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z a@b";
    VmSpec {
        name: name.parse().expect("a name"),
        architecture,
        vcpus: NonZeroU16::MIN,
        memory_mib: number(256),
        disk_gib: number(1),
        disk_cache: DiskCache::Unsafe,
        image: None,
        ssh_port: None,
        forwards: vec![],
        admin: AdminUser::new(vec![key.parse().expect("a key")], None).expect("a login"),
    }
}

/// On the real standard error: what a test that succeeds prints is not shown.
pub(crate) fn say_skipped(scenario: &str, why: &str) {
    let mut errors = std::io::stderr();
    writeln!(errors, "skipped: {scenario}: {why}").expect("said");
}

/// Says why a scenario did not run.
pub(crate) fn skips(scenario: &str, architecture: VmArchitecture) -> bool {
    let there = |program: &str| {
        let found = Command::new(program).arg("--version").output();
        found.is_ok_and(|output| output.status.success())
    };
    let emulator = architecture.emulator();
    let firmware = Firmware::find(architecture, |path| Path::new(path).is_file());
    let why = if !there(emulator) {
        format!("{emulator} is not installed")
    } else if !there("qemu-img") {
        "qemu-img is not installed".to_owned()
    } else if let Err(error) = firmware {
        error.to_string()
    } else {
        return false;
    };
    say_skipped(&format!("{scenario} ({architecture})"), &why);
    true
}

/// An image without anything on it.
pub(crate) fn image(folder: &Path, format: &str, size: &str) -> PathBuf {
    let image = folder.join(format!("empty.{format}"));
    let mut made = Command::new("qemu-img");
    made.args(["create", "-q", "-f", format]).arg(&image);
    assert!(made.arg(size).status().expect("it runs").success());
    image
}

/// A Debian; `None` where it is not there and cannot be made.
pub(crate) fn debian(architecture: VmArchitecture) -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        let image = Debian::Image.ensure(architecture.uname());
        return Some(image.expect("an image"));
    }
    cached(architecture)
}

/// The same where it was made before.
pub(crate) fn cached(architecture: VmArchitecture) -> Option<PathBuf> {
    let found = Debian::Image.find(architecture.uname());
    found.expect("a recipe")
}

/// Looks again and again until it is so.
pub(crate) fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
