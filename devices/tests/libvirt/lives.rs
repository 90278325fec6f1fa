//! Lives of machines with an empty disk.

use serde_json::Value;

use crate::daemon::{Libvirt, Whose, skips};

const EMPTY: &str = "empty.qcow2";

fn libvirt(whose: Whose) -> Libvirt {
    let libvirt = Libvirt::start(whose);
    let made = libvirt.run("qemu-img", &["create", "-q", "-f", "qcow2", EMPTY, "64M"]);
    made.expect("an image");
    libvirt
}

/// What `vm create` says of a machine with so much memory.
fn create(libvirt: &Libvirt, arch: &str, memory: &str, more: &[&str]) -> Result<String, String> {
    let words = [
        "create", "pi-1", "--image", EMPTY, "--arch", arch, "--memory", memory,
    ];
    libvirt.vm(&[&words[..], &["--disk", "1", "--no-wait"], more].concat())
}

fn listed(libvirt: &Libvirt) -> Vec<Value> {
    let text = libvirt.vm(&["list", "-o", "json"]).expect("a list");
    let Value::Array(machines) = serde_json::from_str(&text).expect("JSON") else {
        panic!("{text}");
    };
    machines
}

/// From nothing to nothing, and everything twice.
fn life(libvirt: &Libvirt, arch: &str) {
    let planned = create(libvirt, arch, "256", &["--plan"]).expect("planned");
    assert!(planned.starts_with("to change"), "{planned}");
    assert_eq!(listed(libvirt), Vec::<Value>::new());

    let made = create(libvirt, arch, "256", &[]).expect("made");
    assert!(made.starts_with("changed"), "{made}");
    let again = create(libvirt, arch, "256", &[]).expect("there");
    assert!(again.starts_with("unchanged"), "{again}");
    let machines = listed(libvirt);
    assert_eq!(machines.len(), 1, "{machines:?}");
    assert_eq!(machines[0]["state"], "running", "{machines:?}");
    let uuid = libvirt.virsh(&["domuuid", "pi-1"]).expect("an identity");

    libvirt
        .vm(&["power-cycle", "pi-1", "--no-wait"])
        .expect("cut and started");
    assert_eq!(
        libvirt
            .virsh(&["domstate", "pi-1"])
            .expect("a state")
            .trim(),
        "running"
    );

    // Off, and otherwise: the same domain, defined anew.
    libvirt.virsh(&["destroy", "pi-1"]).expect("off");
    assert_eq!(listed(libvirt)[0]["state"], "off");
    let changed = create(libvirt, arch, "288", &[]).expect("changed");
    assert!(changed.contains("+ memory 288 MiB"), "{changed}");
    assert_eq!(libvirt.virsh(&["domuuid", "pi-1"]).as_ref(), Ok(&uuid));

    // Somebody's own idea of it is noticed, shown and set right.
    libvirt.virsh(&["destroy", "pi-1"]).expect("off");
    libvirt
        .virsh(&["setvcpus", "pi-1", "1", "--config"])
        .expect("changed by hand");
    let mended = create(libvirt, arch, "288", &[]).expect("mended");
    assert!(mended.contains("current='1'"), "{mended}");
    let again = create(libvirt, arch, "288", &[]).expect("there");
    assert!(again.starts_with("unchanged"), "{again}");

    // And so is a definition that is gone, and took the firmware's variables along.
    libvirt.virsh(&["destroy", "pi-1"]).expect("off");
    libvirt
        .virsh(&["undefine", "--nvram", "pi-1"])
        .expect("gone");
    create(libvirt, arch, "288", &[]).expect("defined anew");
    assert_eq!(
        libvirt
            .virsh(&["domstate", "pi-1"])
            .expect("a state")
            .trim(),
        "running"
    );

    libvirt.vm(&["delete", "pi-1"]).expect("deleted");
    assert_eq!(
        libvirt
            .virsh(&["list", "--all", "--name"])
            .expect("a list")
            .trim(),
        ""
    );
    let refused = libvirt
        .vm(&["delete", "pi-1"])
        .expect_err("deleted already");
    assert!(refused.contains("NotFound"), "{refused}");
    let pool = libvirt.virsh(&["pool-list", "--name"]).expect("a list");
    let left = libvirt.run("find", &[&target(libvirt, pool.trim()), "-type", "f"]);
    assert_eq!(left.expect("the pool's folder").trim(), "");
}

fn target(libvirt: &Libvirt, pool: &str) -> String {
    let document = libvirt.virsh(&["pool-dumpxml", pool]).expect("a pool");
    let target = fleet_devices_core::vm::virsh::DirectoryPool::target_of(&document);
    target.expect("a folder").to_string()
}

#[test]
fn a_users_machines_live_in_the_users_own_libvirt() {
    if skips("a user's libvirt") {
        return;
    }
    let libvirt = libvirt(Whose::Users);
    let preflight = libvirt.fleet_devices(&["preflight", "--libvirt", libvirt.uri()]);
    let checks = preflight.expect("nothing is missing");
    assert!(checks.contains("qemu:///session answers"), "{checks}");
    for arch in ["x86_64", "aarch64"] {
        life(&libvirt, arch);
    }
}

#[test]
fn machines_live_in_the_machines_libvirt() {
    if skips("the machine's libvirt") {
        return;
    }
    let libvirt = libvirt(Whose::Machines);
    let preflight = [
        "preflight",
        "--arch",
        "aarch64",
        "--libvirt",
        libvirt.uri(),
        "-o",
        "json",
    ];
    let missing = libvirt.fleet_devices(&preflight).expect_err("no network");
    assert!(
        missing.contains("the network default is not active"),
        "{missing}"
    );
    libvirt.virsh(&["net-start", "default"]).expect("a network");
    let ready = libvirt
        .fleet_devices(&preflight)
        .expect("nothing is missing");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!(ready["ready"], true, "{ready:#}");
    for arch in ["x86_64", "aarch64"] {
        life(&libvirt, arch);
    }
}

#[test]
fn nobody_elses_domain_is_touched() {
    if skips("somebody else's domain") {
        return;
    }
    let libvirt = libvirt(Whose::Users);
    let document = "<domain type='qemu'><name>pi-1</name><memory unit='MiB'>64</memory>\
        <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>";
    std::fs::write(libvirt.folder().join("theirs.xml"), document).expect("written");
    libvirt.virsh(&["define", "theirs.xml"]).expect("theirs");
    let theirs = libvirt.virsh(&["dumpxml", "pi-1"]).expect("theirs");
    let refused = create(&libvirt, "x86_64", "256", &[]).expect_err("taken");
    assert!(
        refused.contains("NameTaken") && refused.contains("qemu:///session"),
        "{refused}"
    );
    let refused = libvirt.vm(&["delete", "pi-1"]).expect_err("not ours");
    assert!(refused.contains("NotFound"), "{refused}");
    assert_eq!(libvirt.virsh(&["dumpxml", "pi-1"]), Ok(theirs));
    let elsewhere = ["vm", "--libvirt", "qemu+ssh://a@b/system", "list"];
    let refused = libvirt.fleet_devices(&elsewhere).expect_err("elsewhere");
    assert!(refused.contains("Elsewhere"), "{refused}");
}
