//! A machine to be set up: Debian with systemd and sshd, in a container of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fleet_devices::host::{Address, ConnectError, Linux, Proof, Ssh, SshSettings};
use fleet_devices::key_pair;
use fleet_tools::Debian;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The machine; it ends with this.
pub(crate) struct Machine {
    name: String,
    ip: String,
    folder: TempDir,
}

pub(crate) fn root_file_system() -> PathBuf {
    let root = Debian::Root.ensure(std::env::consts::ARCH);
    root.expect("a root file system")
}

impl Machine {
    /// Why there can be none; `None` where there can.
    pub(crate) fn impossible() -> Option<&'static str> {
        if !rustix::process::geteuid().is_root() {
            return Some("only root can start a machine");
        }
        let missing = |program: &str| {
            let found = Command::new(program).arg("--version").output();
            !found.is_ok_and(|output| output.status.success())
        };
        if missing("mmdebstrap") || missing("podman") {
            return Some("mmdebstrap or podman is not installed");
        }
        None
    }

    /// Starts one, which lets `root` and `admin` in with the key, and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One in which a user may have containers of its own. Their layers lie on a file system that is none of layers
    /// itself, and their network and /proc are theirs.
    pub(crate) async fn start_for_containers() -> Self {
        Self::start_with(&[
            // Not NET_ADMIN: its systemd would then wait for a network that podman has set up already.
            "--cap-add=SYS_ADMIN,SYS_PTRACE",
            "--security-opt=seccomp=unconfined",
            "--security-opt=unmask=ALL",
            "--device=/dev/net/tun",
            "--volume=/var/lib",
        ])
        .await
    }

    /// The same, with further options of podman.
    pub(crate) async fn start_with(further: &[&str]) -> Self {
        let root = root_file_system();
        let folder = tempfile::tempdir().expect("a folder");
        let public = key_pair::ensure(&folder.path().join("key")).expect("a key");
        let mut machine = Self {
            name: format!(
                "fleet-host-{}-{:08x}",
                std::process::id(),
                fastrand::u32(..)
            ),
            ip: String::new(),
            folder,
        };
        let rootfs = format!("{}:O", root.display());
        // Limits that a container may have where the one around it has lower ones.
        let options = [
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1024:1024",
        ];
        let started = Command::new("podman")
            .args(["run", "--detach", "--rm", "--name", &machine.name])
            // It ends by itself should nobody be left to end it.
            .args(["--systemd=always", "--timeout", "3600"])
            .args(options)
            .args(further)
            .args(["--rootfs", &rootfs, "/sbin/init"])
            .output()
            .expect("podman runs");
        assert!(started.status.success(), "{started:?}");
        let mut inspect = Command::new("podman");
        inspect.args(["inspect", "--format", "{{.NetworkSettings.IPAddress}}"]);
        let found = inspect.arg(&machine.name).output().expect("podman runs");
        String::from_utf8_lossy(&found.stdout)
            .trim()
            .clone_into(&mut machine.ip);
        machine.sh("ssh-keygen -A && mkdir -p /root/.ssh && useradd -m -s /bin/bash admin && mkdir -p ~admin/.ssh");
        machine.sh(&format!(
            "echo '{public}' | tee /root/.ssh/authorized_keys > ~admin/.ssh/authorized_keys"
        ));
        machine.sh("chown -R admin: ~admin");
        machine.listens().await;
        machine.sh("systemctl restart ssh");
        machine.answers().await;
        machine
    }

    /// The first process is there at once; that it can be asked comes later.
    async fn listens(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = self.try_sh("systemctl show --property Version");
            if asked.status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "{asked:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn answers(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.log_in("root").await {
            assert!(Instant::now() < deadline, "{error:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Runs a script on it as root, from outside.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The same; nobody waits for it.
    pub(crate) fn in_background(&self, script: &str) {
        let mut podman = Command::new("podman");
        podman.args(["exec", "--detach", &self.name, "sh", "-euc", script]);
        let status = podman.status().expect("podman runs");
        assert!(status.success(), "{script}");
    }

    fn try_sh(&self, script: &str) -> Output {
        let mut podman = Command::new("podman");
        podman.args(["exec", &self.name, "sh", "-euc", script]);
        podman.output().expect("podman runs")
    }

    pub(crate) fn address(&self, user: &str) -> Address {
        Address {
            user: user.to_owned(),
            host: self.ip.clone(),
            port: 22,
        }
    }

    pub(crate) fn settings(&self) -> SshSettings {
        SshSettings {
            proof: Proof::Key(self.folder.path().join("key")),
            known_hosts: self.known_hosts(),
            accept_new: true,
            sudo_password: None,
        }
    }

    /// Lets in who has the key of another, too.
    pub(crate) fn share_key(&self, other: &Self) {
        let public = key_pair::ensure(&other.folder.path().join("key")).expect("a key");
        self.sh(&format!("echo '{public}' >> /root/.ssh/authorized_keys"));
    }

    /// How the program logs in on it.
    pub(crate) fn login_options(&self) -> [OsString; 5] {
        let key = self.folder.path().join("key");
        [
            "--identity".into(),
            key.into(),
            "--known-hosts".into(),
            self.known_hosts().into(),
            "--accept-new-host-key".into(),
        ]
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    pub(crate) async fn log_in(&self, user: &str) -> Result<Ssh, ConnectError> {
        Ssh::connect(&self.address(user), &self.settings()).await
    }

    /// As root.
    pub(crate) async fn host(&self) -> Linux<Ssh> {
        let ssh = self.log_in("root").await.expect("let in");
        Linux::meet(ssh).await.expect("a host")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut podman = Command::new("podman");
        podman.args(["rm", "--force", "--volumes", "--time", "0", &self.name]);
        let removed = podman.output();
        if !removed.is_ok_and(|output| output.status.success()) {
            eprintln!("container {} is left behind", self.name);
        }
    }
}

/// Says why a scenario did not run.
pub(crate) fn skips(scenario: &str) -> bool {
    let why = Machine::impossible();
    if let Some(why) = why {
        eprintln!("skipped: {scenario}: {why}");
    }
    why.is_some()
}
