//! A machine from its image to a device that survives a power cut. It is booted once; everything is looked at on that
//! one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use fleet_devices::host::{Address, ConnectError, Proof, Ssh, SshSettings, Transport as _};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::Command;
use tokio::sync::Mutex;

use crate::daemon::Libvirt;
use crate::program::idle;
use crate::support::{Home, cached, debian, say_skipped, skips};

static ALONE: Mutex<()> = Mutex::const_new(());
const NAME: &str = "robot-7";
/// In seconds.
const PATIENCE: &str = "1200";
const PASSWORD: &str = "correct horse battery staple";

/// A machine that is up.
struct Device {
    home: Home,
    address: Address,
    settings: SshSettings,
}

impl Device {
    fn create(home: Home, architecture: VmArchitecture, image: &Path) -> Self {
        let image = home.reaches(image);
        let image = image.to_str().expect("text");
        // The tests of this machine may be many, and nothing is said of how fast it is.
        let create = [
            "vm",
            "create",
            NAME,
            "--image",
            image,
            "--arch",
            architecture.uname(),
            "--timeout",
            PATIENCE,
        ];
        let mut create = home.command(&create);
        let created = create.env("FLEET_VM_ADMIN_PASSWORD", PASSWORD).output();
        let created = created.expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, told) = (text(&created.stdout), text(&created.stderr));
        eprintln!("{said}{told}");
        assert!(created.status.success(), "{said}{told}");
        for part in ["an answer at its port 22", "a login by SSH", "cloud-init"] {
            assert!(
                told.contains(&format!("there      {part}")) || part == "cloud-init",
                "{told}"
            );
        }
        assert!(said.contains("\n  ssh -i "), "{said}");
        assert!(!said.contains(PASSWORD) && !told.contains(PASSWORD));
        let list = home.succeed(&["vm", "list", "-o", "json"]);
        let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
        let of = |key: &str| list[0][key].as_str().expect(key).to_owned();
        assert_eq!(
            (of("name"), of("state")),
            (NAME.to_owned(), "running".to_owned())
        );
        let settings = SshSettings {
            proof: Proof::Key(home.folders().identity()),
            known_hosts: of("knownHosts").into(),
            accept_new: false,
            sudo_password: None,
        };
        Self {
            address: of("ssh").parse().expect("an address"),
            settings,
            home,
        }
    }

    async fn log_in(&self) -> Ssh {
        let connected = Ssh::connect(&self.address, &self.settings).await;
        connected.expect("let in")
    }

    /// What a command prints; it has to succeed.
    async fn say(&self, program: &str, words: &[&str]) -> String {
        let command = Command::look(program, words.iter().copied());
        let output = self.log_in().await.run(&command).await.expect("an answer");
        assert_eq!(output.status, 0, "{program} {words:?}: {output:?}");
        output.text().trim().to_owned()
    }

    async fn boot_id(&self) -> String {
        self.say("cat", &["/proc/sys/kernel/random/boot_id"]).await
    }

    fn setup(&self, agent: &Path) -> String {
        let config = self.home.path().join("config.toml");
        fs::write(&config, "# nothing\n").expect("written");
        let paths = [agent, &config, &self.home.folders().identity()];
        let [agent, config, identity] = paths.map(|path| path.to_str().expect("text").to_owned());
        let known_hosts = self.settings.known_hosts.to_str().expect("text");
        let host = self.address.to_string();
        let words = [
            "setup", "--host", &host, "--agent", &agent, "--config", &config,
        ];
        // The agent that idles has no bus to be connected to.
        let login = [
            "--identity",
            &identity,
            "--known-hosts",
            known_hosts,
            "--no-wait",
        ];
        self.home.succeed(&[&words[..], &login].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_becomes_a_device_and_survives_a_power_cut() {
    let scenario = "from an image to a device";
    if cannot_boot(scenario, VmArchitecture::X86_64) {
        return;
    }
    let Some(image) = debian(VmArchitecture::X86_64) else {
        return say_skipped(scenario, "only root can make the image");
    };
    // QEMU directly, behind the same trait, where there is no libvirt.
    let home = match Libvirt::impossible() {
        None => Home::by_libvirt(),
        Some(why) => {
            say_skipped("the same by libvirt", &why);
            Home::new()
        }
    };
    becomes_a_device(home, VmArchitecture::X86_64, &image).await;
}

/// Making its image takes programs of that processor, and minutes.
#[tokio::test(flavor = "multi_thread")]
async fn an_arm_machine_becomes_a_device_where_its_image_is_cached() {
    let scenario = "from an image to a device (aarch64)";
    if cannot_boot(scenario, VmArchitecture::Aarch64) {
        return;
    }
    match cached(VmArchitecture::Aarch64) {
        Some(image) => becomes_a_device(Home::new(), VmArchitecture::Aarch64, &image).await,
        None => say_skipped(
            scenario,
            "its image is not cached; `make bench-machines ARCH=aarch64` makes it",
        ),
    }
}

fn cannot_boot(scenario: &str, architecture: VmArchitecture) -> bool {
    if std::env::var_os("FLEET_VM_BOOT").is_some_and(|boot| boot == "no") {
        say_skipped(scenario, "FLEET_VM_BOOT=no; `make test-devices` boots one");
        return true;
    }
    skips(scenario, architecture)
}

async fn becomes_a_device(home: Home, architecture: VmArchitecture, image: &Path) {
    // One at a time: each takes all that this machine has.
    let _alone = ALONE.lock().await;
    let device = Device::create(home, architecture, image);

    // Who logs in is the administrator, by key and by password; and who answers is the machine, and no other.
    assert_eq!(device.say("sudo", &["-n", "id", "-un"]).await, "root");
    assert_eq!(device.say("hostname", &[]).await, NAME);
    let by_password = SshSettings {
        proof: Proof::Password(PASSWORD.to_owned()),
        ..device.settings.clone()
    };
    let let_in = Ssh::connect(&device.address, &by_password).await;
    let_in.expect("let in by the password");
    a_stranger_is_not_taken_for_it(&device).await;
    the_host_is_reached_from_inside(&device).await;
    the_console_can_be_typed_at(&device);

    // A device, as of `docs/prepare-hosts.md`; the agent is one that idles.
    let agent = device.home.path().join("agent");
    fs::write(&agent, idle(architecture)).expect("written");
    let done = device.setup(&agent);
    assert!(done.contains("unit fleet-agent.service"), "{done}");
    let active = ["is-active", "fleet-agent.service"];
    assert_eq!(device.say("systemctl", &active).await, "active");
    let again = device.setup(&agent);
    assert!(again.contains(": 0 changed"), "{again}");

    // Power goes without warning. What says that it is up again is its own word for this boot.
    let before = device.boot_id().await;
    let cycled = device
        .home
        .succeed(&["vm", "power-cycle", NAME, "--timeout", PATIENCE]);
    assert!(cycled.contains("robot-7 is up"), "{cycled}");
    assert_ne!(device.boot_id().await, before);
    assert_eq!(device.say("systemctl", &active).await, "active");

    let deleted = device.home.succeed(&["vm", "delete", NAME]);
    assert_eq!(deleted, format!("deleted    machine {NAME}\n"));
    let refused = Ssh::connect(&device.address, &device.settings).await;
    assert!(matches!(refused, Err(ConnectError::Unreachable { .. })));
}

async fn a_stranger_is_not_taken_for_it(device: &Device) {
    let other: PathBuf = device.home.path().join("other");
    let key = fleet_devices::key_pair::ensure(&other).expect("a key");
    let (_, key) = key.split_once(' ').expect("two words");
    let key = key.split(' ').next().expect("a key");
    let known = device.home.path().join("known");
    let port = device.address.port;
    let line = format!("[127.0.0.1]:{port} ssh-ed25519 {key}\n");
    fs::write(&known, line).expect("written");
    let settings = SshSettings {
        known_hosts: known,
        ..device.settings.clone()
    };
    let refused = Ssh::connect(&device.address, &settings).await;
    assert!(matches!(refused, Err(ConnectError::ChangedHostKey { .. })));
}

/// As a device reaches a fleet that runs on the workstation.
async fn the_host_is_reached_from_inside(device: &Device) {
    let service = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = service.local_addr().expect("an address").port();
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = service.accept().expect("somebody");
        socket.write_all(b"from the host\n").expect("told");
    });
    let read = format!("exec 3<>/dev/tcp/10.0.2.2/{port}; cat <&3");
    assert_eq!(device.say("bash", &["-c", &read]).await, "from the host");
    serving.join().expect("served");
}

fn the_console_can_be_typed_at(device: &Device) {
    let mut console = device.home.command(&["vm", "console", NAME]);
    let console = console.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut console = console.stderr(Stdio::null()).spawn().expect("it runs");
    let mut typed = console.stdin.take().expect("an input");
    typed.write_all(b"\n").expect("typed");
    let said = console.stdout.take().expect("an output");
    until_said(said, &format!("{NAME} login: "));
    // Control and `]`: it leaves, and the machine goes on.
    typed.write_all(&[0x1d]).expect("typed");
    assert!(console.wait().expect("left").success());
}

fn until_said(said: ChildStdout, wanted: &str) {
    let (send, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut said = BufReader::new(said);
        while let Ok(part) = said.fill_buf() {
            let read = part.len();
            if read == 0 || send.send(part.to_vec()).is_err() {
                break;
            }
            said.consume(read);
        }
        let _ = said.read(&mut []);
    });
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(wanted) {
        let part = heard.recv_timeout(Duration::from_secs(120));
        let shown = String::from_utf8_lossy(&all).into_owned();
        all.extend(part.unwrap_or_else(|_| panic!("{wanted} in {shown}")));
    }
}
