//! The archives that `make images` left, where it was called: the real programs in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_images::product::{AUTH, CHECK, OPERATOR, PRODUCTS, Product, sbom_path};

use crate::read::{Read, unpacked};
use crate::support::{Podman, skip};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of `make images`, unless it was not called, or before this product was one.
fn folder(product: Product) -> Option<PathBuf> {
    let program = std::env::current_exe().expect("a path");
    // <target>/debug/deps/<test>
    let target = program.ancestors().nth(3).expect("a target folder");
    let folder = target.join("images");
    if folder.join(archive_name(product)).is_file() {
        return Some(folder);
    }
    let what = format!("{} in its image", product.name);
    skip(&what, "make images was not called");
    None
}

fn archive_name(product: Product) -> String {
    format!("{}-{VERSION}.oci.tar", product.name)
}

/// Runs the image of a product as confined as a cluster does; none where that cannot be.
fn confined(product: Product, runs: &[&[&str]]) -> Option<Vec<String>> {
    let folder = folder(product)?;
    let podman = Podman::start(&format!("{} in its image", product.name))?;
    podman.load(&folder.join(archive_name(product)));
    let flags = [
        "--read-only",
        "--user=12345:0",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ];
    let reference = podman.ok(["images", "--format={{.Repository}}:{{.Tag}}"]);
    let said = runs
        .iter()
        .map(|args| podman.run_in(&flags, &reference, args));
    Some(said.collect())
}

#[test]
fn the_operator_starts_confined() {
    let Some(said) = confined(OPERATOR, &[&["--version"], &["crds"]]) else {
        return;
    };
    assert_eq!(said[0], format!("fleet-operator {VERSION}"));
    assert!(said[1].contains("CustomResourceDefinition"), "{}", said[1]);
}

#[test]
fn the_auth_service_starts_confined() {
    let Some(said) = confined(AUTH, &[&["--version"], &["secrets", "ensure", "--help"]]) else {
        return;
    };
    assert_eq!(said[0], format!("fleet-auth {VERSION}"));
    assert!(said[1].contains("--namespace"), "{}", said[1]);
}

#[test]
fn the_check_starts_confined() {
    let Some(said) = confined(CHECK, &[&["--version"], &["round-trip", "--help"]]) else {
        return;
    };
    assert_eq!(said[0], format!("fleet-check {VERSION}"));
    assert!(said[1].contains("--token-namespace"), "{}", said[1]);
}

#[test]
fn each_architecture_has_its_program_and_the_list_that_lies_beside() {
    for product in PRODUCTS {
        if let Some(folder) = folder(product) {
            assert_architectures(product, &folder);
        }
    }
}

fn assert_architectures(product: Product, folder: &Path) {
    let archive = fs::read(folder.join(archive_name(product))).expect("the archive");
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
        for name in product.programs() {
            let list = folder.join(format!("{name}-{VERSION}-{architecture}.cdx.json"));
            let inside = files.get(sbom_path(name).trim_start_matches('/'));
            assert_eq!(inside, fs::read(list).expect("the list"));
            runs(name, architecture, files.get(name));
        }
    }
}

/// The program says its version, here or emulated.
fn runs(name: &str, architecture: &str, program: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
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
            assert_eq!(said.trim(), format!("{name} {VERSION}"), "{done:?}");
        }
        Err(error) => skip(
            &format!("{name} for {architecture}"),
            &format!("qemu-{machine}-static: {error}"),
        ),
    }
}
