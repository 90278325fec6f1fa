//! A libvirt of our own: the machine's in namespaces that are its own, so that networks, rules and files of
//! this machine stay as they are; or a user's.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fleet-devices");
const PATIENCE: Duration = Duration::from_secs(120);
/// Every Unix has this user, who may do nothing.
const NOBODY: &str = "65534";

/// Whose libvirt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Machines,
    Users,
    /// A user's, whose machines are reached by ports of this machine.
    UsersHere,
}

pub(crate) struct Libvirt {
    whose: Whose,
    around: Child,
    folder: TempDir,
}

/// What libvirt keeps lies in a folder of ours; nothing asks for a daemon that is not there.
const MACHINES: &str = r#"
    ip link set lo up
    for place in etc/libvirt run var/lib/libvirt var/cache/libvirt var/log/libvirt; do
        mkdir -p "$1/$place"
        [ "$place" != etc/libvirt ] || cp -a /etc/libvirt/. "$1/$place"
        mount --bind "$1/$place" "/$place"
    done
    mkdir -p /var/lib/libvirt/images /run/lock
    cat > /etc/libvirt/qemu.conf << END
stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
cgroup_controllers = []
namespaces = []
END
    # Who waits takes in what QEMU leaves behind, which libvirt waits for.
    libvirtd & wait
"#;

impl Libvirt {
    /// Why there can be none; `None` where there can.
    pub(crate) fn impossible() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("only root can start one apart from the machine's".to_owned());
        }
        let programs = [
            "libvirtd",
            "virsh",
            "qemu-system-x86_64",
            "qemu-system-aarch64",
            "qemu-img",
            "dnsmasq",
            "setpriv",
        ];
        let missing = programs.into_iter().find(|program| {
            let ran = Command::new(program).arg("--version").output();
            !ran.is_ok_and(|output| output.status.success())
        });
        missing.map(|program| format!("{program} is not installed"))
    }

    pub(crate) fn start(whose: Whose) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for place in ["home", "runtime"] {
            fs::create_dir(folder.path().join(place)).expect("a folder");
        }
        let mut around = Command::new("unshare");
        around.args(["--mount", "--pid", "--fork", "--mount-proc"]);
        // All that runs inside ends with it.
        around.arg("--kill-child");
        if whose != Whose::UsersHere {
            around.arg("--net");
        }
        match whose {
            Whose::Machines => around
                .args(["sh", "-euc", MACHINES, "sh"])
                .arg(folder.path()),
            Whose::Users | Whose::UsersHere => {
                let owned = [
                    folder.path().to_owned(),
                    folder.path().join("home"),
                    folder.path().join("runtime"),
                ];
                for path in owned {
                    std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("owned");
                }
                let up = if whose == Whose::Users {
                    "ip link set lo up;"
                } else {
                    ""
                };
                let script = format!("{up} sleep infinity & wait");
                around.args(["sh", "-euc", &script])
            }
        };
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let errors = log.try_clone().expect("a log");
        let around = around.stdin(Stdio::null()).stdout(log).stderr(errors);
        let libvirt = Self {
            whose,
            around: around.spawn().expect("unshare runs"),
            folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while libvirt.virsh(&["uri"]).is_err() {
            let log = || fs::read_to_string(libvirt.folder.path().join("log"));
            assert!(Instant::now() < deadline, "no libvirt: {:?}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        libvirt
    }

    pub(crate) const fn uri(&self) -> &'static str {
        match self.whose {
            Whose::Machines => "qemu:///system",
            Whose::Users | Whose::UsersHere => "qemu:///session",
        }
    }

    /// A place that all of them reach.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program in there, as who may ask it; `None` while it is not there.
    pub(crate) fn inside(&self) -> Option<Command> {
        let around = self.around.id();
        let children = fs::read_to_string(format!("/proc/{around}/task/{around}/children")).ok()?;
        let inner = children.split_whitespace().next()?;
        let mut command = Command::new("nsenter");
        command.args(["--target", inner, "--mount", "--net", "--pid"]);
        command.arg(format!("--wd={}", self.folder.path().display()));
        if self.whose != Whose::Machines {
            command.args([
                "setpriv",
                "--reuid",
                NOBODY,
                "--regid",
                NOBODY,
                "--clear-groups",
            ]);
        }
        let place = |name| self.folder.path().join(name);
        command
            .env("HOME", place("home"))
            .env("XDG_RUNTIME_DIR", place("runtime"));
        command.env("LC_ALL", "C");
        command
            .env_remove("FLEET_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CACHE_HOME");
        Some(command)
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.inside().ok_or("it is gone, or not there yet")?;
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .arg(program)
            .args(arguments)
            .output()
            .expect("nsenter runs");
        let [said, told] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        if status.success() {
            Ok(said)
        } else {
            Err(format!("{said}{told}"))
        }
    }

    pub(crate) fn virsh(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments = [&["-q", "-c", self.uri()], arguments].concat();
        self.run("virsh", &arguments)
    }

    /// As a person would.
    pub(crate) fn fleet_devices(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(PROGRAM, arguments)
    }

    pub(crate) fn vm(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments = [&["vm", "--libvirt", self.uri()], arguments].concat();
        self.fleet_devices(&arguments)
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        let _ = self.around.kill();
        let _ = self.around.wait();
    }
}

/// Says why a scenario did not run.
pub(crate) fn skips(scenario: &str) -> bool {
    let why = Libvirt::impossible();
    if let Some(why) = &why {
        eprintln!("skipped: {scenario}: {why}");
    }
    why.is_some()
}
