//! What virtual machines are told at their first boot, judged by those that will read it: cloud-init and,
//! where it hands the network on, netplan, both of the Debian that machines here are made of.

use std::fs;
use std::process::{Command, Output};

use fleet_devices_core::vm::{AdminUser, Seed};
use tempfile::TempDir;

use crate::machine::{root_file_system, skips};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z ops@example";
const HASH: &str = "$6$rounds=5000$abcdefgh$Hs1vbqz0dYlUt6zBw3pFz3b7F8a1QeKJ0n9rT5mXc2W";

fn seeds() -> Vec<(&'static str, Seed)> {
    let seed = |admin: AdminUser| {
        let name = "pi-1".parse().expect("a name");
        Seed::new(name, "pi-1-3f2a", admin).expect("a seed")
    };
    let admin = |keys: &[&str], password: Option<&str>| {
        let keys = keys.iter().map(|key| key.parse().expect("a key"));
        let password = password.map(|hash| hash.parse().expect("a hash"));
        AdminUser::new(keys.collect(), password).expect("a login")
    };
    vec![
        ("key", seed(admin(&[KEY], None))),
        ("password", seed(admin(&[], Some(HASH)))),
        (
            "both",
            seed(
                admin(&[KEY, KEY], Some(HASH))
                    .named("jo_1")
                    .expect("a name"),
            ),
        ),
    ]
}

/// Runs a program of that Debian on the files of a folder, and changes nothing of it.
fn there(seed: &TempDir, program: &[&str]) -> Output {
    let rootfs = format!("{}:O", root_file_system().display());
    let volume = format!("{}:/seed:ro", seed.path().display());
    let mut podman = Command::new("podman");
    podman.args(["run", "--rm", "--network", "none"]);
    // Limits that a container may have where the one around it has lower ones.
    podman.args([
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
    ]);
    podman.args(["--volume", &volume, "--rootfs", &rootfs]);
    podman.args(program).output().expect("podman runs")
}

fn user_data(seed: &TempDir) -> Output {
    there(
        seed,
        &["cloud-init", "schema", "--config-file", "/seed/user-data"],
    )
}

fn network_config(seed: &TempDir) -> Output {
    let script = "umask 077
        cloud-init devel net-convert --network-data /seed/network-config --kind yaml \
            --directory /out --distro debian --output-kind netplan
        netplan generate --root-dir /out";
    there(seed, &["sh", "-euc", script])
}

fn folder(seed: &Seed, change: impl Fn(&str, &str) -> String) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in seed.files() {
        let content = change(file.name, &file.content);
        fs::write(folder.path().join(file.name), content).expect("written");
    }
    folder
}

#[test]
fn who_reads_a_seed_finds_nothing_wrong_with_it() {
    if skips("seeds") {
        return;
    }
    for (name, seed) in seeds() {
        let folder = folder(&seed, |_, content| content.to_owned());
        for output in [user_data(&folder), network_config(&folder)] {
            assert!(output.status.success(), "{name}: {output:?}");
        }
    }
}

/// Otherwise the test above would say nothing.
#[test]
fn who_reads_a_seed_would_find_what_is_wrong() {
    if skips("wrong seeds") {
        return;
    }
    let (_, seed) = seeds().remove(0);
    for (right, wrong) in [
        ("\"lock_passwd\"", "\"lock_password\""),
        ("\"pi-1\"", "[\"pi-1\"]"),
    ] {
        let folder = folder(&seed, |_, content| content.replace(right, wrong));
        let output = user_data(&folder);
        assert!(!output.status.success(), "{wrong}: {output:?}");
    }
    let folder = folder(&seed, |_, content| {
        content.replace("\"match\"", "\"macth\"")
    });
    let output = network_config(&folder);
    assert!(!output.status.success(), "{output:?}");
}
