//! The archive that `make images` left, where it was called: the real program in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::read::{Read, unpacked};
use crate::support::{Podman, skip};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of `make images`, unless it was not called.
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().expect("a path");
    // <target>/debug/deps/<test>
    let target = program.ancestors().nth(3).expect("a target folder");
    let folder = target.join("images");
    if folder.join(archive_name()).is_file() {
        return Some(folder);
    }
    skip("the operator in its image", "make images was not called");
    None
}

fn archive_name() -> String {
    format!("fleet-operator-{VERSION}.oci.tar")
}

#[test]
fn the_operator_starts_confined() {
    let Some(folder) = folder() else { return };
    let Some(podman) = Podman::start("the operator in its image") else {
        return;
    };
    podman.load(&folder.join(archive_name()));
    let flags = [
        "--read-only",
        "--user=12345:0",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ];
    let reference = podman.ok(["images", "--format={{.Repository}}:{{.Tag}}"]);
    let said = podman.run_in(&flags, &reference, &["--version"]);
    assert_eq!(said, format!("fleet-operator {VERSION}"));
    let crds = podman.run_in(&flags, &reference, &["crds"]);
    assert!(crds.contains("CustomResourceDefinition"), "{crds}");
}

#[test]
fn each_architecture_has_its_program_and_the_list_that_lies_beside() {
    let Some(folder) = folder() else { return };
    let archive = fs::read(folder.join(archive_name())).expect("the archive");
    let archive = Read::tar(&archive);
    let top = archive.json("index.json")["manifests"][0].clone();
    let index = archive.blob_json(&top);
    let manifests = index["manifests"].as_array().cloned();
    for manifest in manifests.unwrap_or_else(|| vec![top]) {
        let architecture = manifest["platform"]["architecture"]
            .as_str()
            .expect("a word");
        let manifest = archive.blob_json(&manifest);
        let files = unpacked(archive.blob(&manifest["layers"][0]));
        let list = folder.join(format!("fleet-operator-{VERSION}-{architecture}.cdx.json"));
        let inside = files.get("usr/share/sbom/fleet-operator.cdx.json");
        assert_eq!(inside, fs::read(list).expect("the list"));
        runs(architecture, files.get("fleet-operator"));
    }
}

/// The program says its version, here or emulated.
fn runs(architecture: &str, program: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fleet-operator");
    fs::write(&path, program).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    let machine = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => panic!("an image for {other}"),
    };
    let mut command = Command::new(&path);
    if machine != std::env::consts::ARCH {
        command = Command::new(format!("qemu-{machine}-static"));
        command.arg(&path);
    }
    match command.arg("--version").output() {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stdout);
            assert_eq!(said.trim(), format!("fleet-operator {VERSION}"), "{done:?}");
        }
        Err(error) => skip(
            &format!("the operator for {architecture}"),
            &format!("qemu-{machine}-static: {error}"),
        ),
    }
}
