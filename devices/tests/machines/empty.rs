//! The life of a machine, with an empty disk: nothing of it needs an operating system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fleet_devices::host::Outcome;
use fleet_devices::vm::{Intent, VirtualMachineHost as _, VmState};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::{Forward, VmSpec};

use crate::support::{Home, empty, number, skips};

const X86: VmArchitecture = VmArchitecture::X86_64;

#[tokio::test(flavor = "multi_thread")]
async fn an_x86_machine_lives() {
    lives(X86).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arm_machine_lives() {
    lives(VmArchitecture::Aarch64).await;
}

async fn lives(architecture: VmArchitecture) {
    if skips("a machine's life", architecture) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let wanted = empty("pi-1", architecture);
    let name = &wanted.name;

    let planned = host.ensure(&wanted, Intent::Plan).await.expect("planned");
    assert!(matches!(planned, Outcome::Planned(_)), "{planned:?}");
    assert!(host.list().await.expect("listed").is_empty());

    let made = host.ensure(&wanted, Intent::Carry).await.expect("made");
    let (Outcome::Planned(planned), Outcome::Changed(made)) = (planned, made) else {
        panic!("a plan, and what came of it");
    };
    // The port was chosen anew: a plan keeps none.
    let but_port = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().filter(|line| !line.contains("to 22"));
        lines.cloned().collect()
    };
    assert_eq!(but_port(&planned), but_port(&made));
    let again = host.ensure(&wanted, Intent::Carry).await.expect("there");
    assert_eq!(again, Outcome::Unchanged);

    let info = host.info(name).await.expect("described");
    assert_eq!(info.state, VmState::Running);
    assert!(info.accelerator.is_some());
    let all = host.list().await.expect("listed");
    assert_eq!(all, std::slice::from_ref(&info));
    only_its_owner_looks_inside(&home);

    // What differs is told and set right, and the machine keeps its port and its disk.
    let disk = |home: &Home| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(&home.machine("pi-1").files.disk)
            .expect("a disk")
            .ino()
    };
    let before = (home.pid("pi-1"), disk(&home));
    let other = VmSpec {
        memory_mib: number(320),
        disk_gib: number(2),
        ..wanted.clone()
    };
    let expected = [
        "- memory 256 MiB",
        "- disk 1 GiB",
        "+ memory 320 MiB",
        "+ disk 2 GiB",
    ];
    let expected: Vec<String> = expected.map(str::to_owned).into();
    let planned = host.ensure(&other, Intent::Plan).await.expect("planned");
    assert_eq!(planned, Outcome::Planned(expected.clone()));
    assert_eq!(host.info(name).await.expect("described"), info);
    let changed = host.ensure(&other, Intent::Carry).await.expect("changed");
    assert_eq!(changed, Outcome::Changed(expected));
    let after = host.info(name).await.expect("described");
    assert_eq!((after.memory_mib, &after.way), (number(320), &info.way));
    assert_ne!(home.pid("pi-1"), before.0);
    assert_eq!(disk(&home), before.1);
    let line = fs::read(format!("/proc/{}/cmdline", home.pid("pi-1"))).expect("a process");
    let words: Vec<_> = line.split(|byte| *byte == 0).collect();
    assert!(words.windows(2).any(|pair| pair == [&b"-m"[..], b"320"]));

    let pid = home.pid("pi-1");
    host.power_cycle(name).await.expect("cycled");
    assert_ne!(home.pid("pi-1"), pid);
    assert_eq!(host.info(name).await.expect("described").way, info.way);

    let pid = home.pid("pi-1");
    host.delete(name).await.expect("deleted");
    assert!(is_gone(pid));
    let error = host.info(name).await.expect_err("gone");
    assert_eq!(error.reason(), "NotFound");
    let left = fs::read_dir(home.folders().machines()).expect("a folder");
    assert_eq!(left.count(), 0);
}

/// A process that ended is there until whoever adopted it looks.
fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

fn only_its_owner_looks_inside(home: &Home) {
    let machine = home.machine("pi-1");
    let mode = |path: &Path| {
        let found = fs::metadata(path).expect("there");
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode(machine.path.as_ref()), 0o700);
    let secrets = [&machine.record, &machine.files.seed, &machine.host_key];
    for secret in secrets {
        assert_eq!(mode(secret.as_ref()), 0o600, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_fell_is_started_again() {
    if skips("a machine that fell", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let wanted = empty("fell", X86);
    host.ensure(&wanted, Intent::Carry).await.expect("made");
    // As with its host: the pidfile stays.
    let pid = i32::try_from(home.pid("fell")).expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    let ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    ended.expect("ended");
    let mut off = false;
    while !off {
        off = host.info(&wanted.name).await.expect("described").state == VmState::Off;
    }
    let again = host.ensure(&wanted, Intent::Carry).await.expect("started");
    assert_eq!(again, Outcome::Changed(vec!["+ it runs".to_owned()]));
    // Power comes back to one that is off, too.
    host.power_cycle(&wanted.name).await.expect("cycled");
    let state = host.info(&wanted.name).await.expect("described").state;
    assert_eq!(state, VmState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_got_the_number_of_another_is_left_alone() {
    if skips("a number that was given again", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let wanted = empty("other", X86);
    host.ensure(&wanted, Intent::Carry).await.expect("made");
    let machine = home.machine("other");
    let theirs = fs::read(&machine.pidfile).expect("a pidfile");
    fs::write(&machine.pidfile, std::process::id().to_string()).expect("written");
    let info = host.info(&wanted.name).await.expect("described");
    assert_eq!(info.state, VmState::Off);
    // Were it taken for the machine, this would be the end of this test.
    fs::write(&machine.pidfile, theirs).expect("written");
    host.delete(&wanted.name).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_port_comes_and_goes() {
    if skips("ports", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let mut wanted = empty("ports", X86);
    host.ensure(&wanted, Intent::Carry).await.expect("made");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let host_port = std::num::NonZeroU16::new(port).expect("not zero");
    let guest = std::num::NonZeroU16::new(80).expect("not zero");
    wanted.forwards = vec![Forward {
        host: host_port,
        guest,
    }];
    let changed = host.ensure(&wanted, Intent::Carry).await.expect("changed");
    assert_eq!(
        changed,
        Outcome::Changed(vec![format!("+ port {port} to 80")])
    );
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("QEMU listens");
    wanted.forwards.clear();
    host.ensure(&wanted, Intent::Carry).await.expect("changed");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
