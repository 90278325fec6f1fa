//! The same as a person would do it.

use std::path::Path;
use std::process::{Command, Output};

use super::fetched::{content, sum};
use super::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fleet-devices");

fn fetch(program: &mut Command, home: &Path, url: &str) -> Output {
    let sum = sum(&content());
    let program = program.args(["image", "fetch", url, "--checksum", sum.hex()]);
    let ran = program.env("FLEET_HOME", home).output();
    ran.expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_prints_the_path_and_says_how_long_it_will_take() {
    let server = Server::start().await;
    let url = server.body("/disk.qcow2", &content());
    let home = tempfile::tempdir().expect("a folder");
    let output = fetch(&mut Command::new(PROGRAM), home.path(), &url);
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).expect("text");
    let path = Path::new(path.trim_end());
    assert!(
        path.starts_with(home.path().join("cache/images")),
        "{path:?}"
    );
    assert_eq!(std::fs::read(path).expect("a file"), content());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("disk.qcow2 (11.44 MiB)"), "{told}");
}

#[test]
fn the_list_names_every_image() {
    let output = Command::new(PROGRAM).args(["image", "list"]).output();
    let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
    for word in [
        "debian-12",
        "debian-13",
        "ubuntu-24.04",
        "fedora-44",
        "aarch64",
    ] {
        assert!(text.contains(word), "{text}");
    }
}

/// On a file system of its own, which is too small.
#[tokio::test(flavor = "multi_thread")]
async fn no_space_is_said_before_it_is_used_up() {
    let mut own = Command::new("unshare");
    own.args(["--mount", "--map-root-user", "true"]);
    if !own.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let server = Server::start().await;
    let url = server.body("/disk.qcow2", &content());
    let home = tempfile::tempdir().expect("a folder");
    let script = "mount -t tmpfs -o size=4m none \"$FLEET_HOME\" && exec \"$0\" \"$@\"";
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--map-root-user", "sh", "-c", script, PROGRAM]);
    let output = fetch(&mut inside, home.path(), &url);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("NoSpace") && told.contains("12 more MiB"),
        "{told}"
    );
}
