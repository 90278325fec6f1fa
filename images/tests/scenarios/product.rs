//! The images of our products, with a small static program in the place of ours: compiling the real
//! ones takes minutes, and what surrounds them is the same.

use std::fs;
use std::path::{Path, PathBuf};

use fleet_images::oci::{Architecture, Archive, Digest};

use crate::read::{Read, unpacked};
use crate::support::{Podman, probe};
use fleet_images::product::{
    PRODUCTS, Part, Product, Release, Variant, operator_image, sbom_path, test_image,
};
use fleet_images::program::Program;
use serde_json::{Value, json};

const SBOM: &[u8] = b"{}\n";
/// What a runtime puts into every container.
const FROM_RUNTIME: [&str; 4] = [
    "file /etc/hostname",
    "file /etc/hosts",
    "file /etc/mtab",
    "file /etc/resolv.conf",
];

fn release() -> Release {
    Release {
        registry: "registry.example/fleet".to_owned(),
        version: "1.2.3".to_owned(),
        revision: Some("0123abc".to_owned()),
        source: Some("https://source.example/fleet".to_owned()),
        time: "1700000000".parse().expect("a time"),
    }
}

/// With the same program under each of its names.
fn variant(product: Product, program: &Path) -> Variant {
    let part = || Part {
        program: Program::standalone(program).expect("a static program"),
        sbom: Some(SBOM.to_vec()),
    };
    Variant {
        main: part(),
        beside: product.beside.iter().map(|_| part()).collect(),
    }
}

fn archive(product: Product, programs: &[PathBuf]) -> Archive {
    let variants = programs.iter().map(|program| variant(product, program));
    let image = product.image(&release(), variants).expect("a name");
    image.archive().expect("an image")
}

/// The one for this machine, and that for the other architecture where it can be compiled.
fn probes(folder: &Path) -> Option<Vec<PathBuf>> {
    let here = Architecture::here()?;
    let others = [Architecture::Amd64, Architecture::Arm64]
        .into_iter()
        .filter(|a| *a != here);
    let own = probe(folder, here)?;
    Some(
        [own]
            .into_iter()
            .chain(others.filter_map(|other| probe(folder, other)))
            .collect(),
    )
}

#[test]
fn the_same_program_gives_the_same_digest_and_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(programs) = probes(folder.path()) else {
        return;
    };
    let reversed: Vec<_> = programs.iter().rev().cloned().collect();
    for product in PRODUCTS {
        let (one, two) = (archive(product, &programs), archive(product, &programs));
        assert_eq!(one.digest(), two.digest());
        let (mut first, mut second) = (Vec::new(), Vec::new());
        one.write(&mut first).expect("written");
        two.write(&mut second).expect("written");
        assert_eq!(Digest::of(&first), Digest::of(&second));
        // The order in which architectures are given does not matter either.
        assert_eq!(archive(product, &reversed).digest(), one.digest());
    }
}

#[test]
fn there_is_a_program_its_user_and_its_components_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(programs) = probes(folder.path()) else {
        return;
    };
    for product in PRODUCTS {
        assert_contents(product, &programs);
    }
}

fn assert_contents(product: Product, programs: &[PathBuf]) {
    let mut bytes = Vec::new();
    archive(product, programs)
        .write(&mut bytes)
        .expect("written");
    let archive = Read::tar(&bytes);
    let top = &archive.json("index.json")["manifests"][0];
    assert_eq!(
        top["annotations"],
        json!({
            "io.containerd.image.name": format!("registry.example/fleet/{}:1.2.3", product.name),
            "org.opencontainers.image.ref.name": "1.2.3",
        })
    );
    let manifests = match programs {
        [_] => vec![top.clone()],
        _ => archive.blob_json(top)["manifests"]
            .as_array()
            .expect("a list")
            .clone(),
    };
    assert_eq!(manifests.len(), programs.len());
    for manifest in manifests {
        let platform = &manifest["platform"];
        let manifest = archive.blob_json(&manifest);
        let config = archive.blob_json(&manifest["config"]);
        assert_eq!(config["architecture"], platform["architecture"]);
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        let labels = &config["config"]["Labels"];
        assert_eq!(labels, &manifest["annotations"]);
        assert_eq!(
            config["config"],
            json!({"User": "65532:65532", "Entrypoint": [format!("/{}", product.name)], "Labels": labels})
        );
        assert_labels(product, labels);
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 1);
        assert_files(product, archive.blob(&layers[0]));
    }
}

fn assert_labels(product: Product, labels: &Value) {
    for (key, value) in [
        ("title", product.name),
        ("version", "1.2.3"),
        ("revision", "0123abc"),
        ("source", "https://source.example/fleet"),
        ("licenses", "Apache-2.0"),
        ("created", "2023-11-14T22:13:20Z"),
    ] {
        assert_eq!(labels[format!("org.opencontainers.image.{key}")], value);
    }
    assert_eq!(labels.as_object().expect("labels").len(), 7);
}

fn assert_files(product: Product, layer: &[u8]) {
    let files = unpacked(layer);
    let names: Vec<_> = files.names().collect();
    let (programs, lists) = sorted(product);
    let start = [
        "etc/",
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/",
        "etc/ssl/certs/",
        "etc/ssl/certs/ca-certificates.crt",
    ]
    .map(str::to_owned);
    let folders = ["usr/", "usr/share/", "usr/share/sbom/"].map(str::to_owned);
    let lists = lists.map(|list| list.trim_start_matches('/').to_owned());
    let expected = start.into_iter().chain(programs).chain(folders);
    let expected: Vec<_> = expected.chain(lists.clone()).collect();
    assert_eq!(names, expected);
    let passwd = String::from_utf8_lossy(files.get("etc/passwd")).into_owned();
    assert!(passwd.contains("\nnonroot:x:65532:65532:"), "{passwd}");
    for list in lists {
        assert_eq!(files.get(&list), SBOM);
    }
}

/// The programs of an image and their lists, as a listing of its files has them.
fn sorted(product: Product) -> (Vec<String>, impl Iterator<Item = String> + Clone) {
    let mut programs: Vec<_> = product.programs().map(str::to_owned).collect();
    programs.sort();
    let lists: Vec<_> = programs.iter().map(|name| sbom_path(name)).collect();
    (programs, lists.into_iter())
}

#[test]
fn it_runs_read_only_as_anybody_in_group_0_without_capabilities() {
    let what = "running an image of ours";
    let folder = tempfile::tempdir().expect("a folder");
    let Some(programs) = probes(folder.path()) else {
        return;
    };
    let Some(podman) = Podman::start(what) else {
        return;
    };
    for product in PRODUCTS {
        assert_confined(
            product,
            &archive(product, &programs),
            &podman,
            folder.path(),
        );
    }
}

fn assert_confined(product: Product, archive: &Archive, podman: &Podman, folder: &Path) {
    let path = folder.join(format!("{}.tar", product.name));
    archive.save(&path).expect("saved");
    podman.load(&path);
    let reference = archive.reference().as_str();
    let args = format!(r#"args ["/{}", "--version"]"#, product.name);
    let (programs, lists) = sorted(product);
    let programs = programs.iter().map(|name| format!("file /{name}"));
    let ours = programs.chain(lists.map(|list| format!("file {list}")));
    let ours: Vec<_> = ours.collect();
    let confined = [
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ];
    for (user, seen) in [
        (&[][..], "user 65532 group 65532"),
        (&["--user=12345:0"][..], "user 12345 group 0"),
    ] {
        let said = podman.run_in(&[&confined[..], user].concat(), reference, &["--version"]);
        let (files, facts): (Vec<_>, Vec<_>) =
            said.lines().partition(|line| line.starts_with("file "));
        let expected = [
            &args,
            seen,
            "capabilities 0000000000000000",
            "may gain privileges false",
            "may write false",
            "localhost is known true",
        ];
        assert_eq!(facts, expected);
        // What the runtime itself puts there is not ours.
        let files: Vec<_> = files
            .into_iter()
            .filter(|f| !FROM_RUNTIME.contains(f))
            .collect();
        let names = [
            "file /etc/group",
            "file /etc/nsswitch.conf",
            "file /etc/passwd",
            "file /etc/ssl/certs/ca-certificates.crt",
        ];
        let expected = names.into_iter().chain(ours.iter().map(String::as_str));
        assert_eq!(files, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_program_as_cargo_builds_it_runs_in_an_image_for_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(podman) = Podman::start("running a test image") else {
        return;
    };
    // Any dynamic program will do; this one is there.
    let program = Path::new(env!("CARGO_BIN_EXE_fleet-images"));
    let kept = operator_image(program, "0.0.1", folder.path()).expect("an image");
    assert_eq!(kept.reference.as_str(), "localhost/fleet-operator:0.0.1");
    podman.load(&kept.path);
    let confined = ["--read-only", "--user=12345:0", "--cap-drop=ALL"];
    let said = podman.run_in(&confined, kept.reference.as_str(), &["--version"]);
    assert_eq!(said, concat!("fleet-images ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn test_images_of_different_products_lie_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_fleet-images"));
    let images = PRODUCTS.map(|product| {
        let beside = vec![program.to_owned(); product.beside.len()];
        let kept = test_image(product, program, &beside, "0.0.1", folder.path());
        let kept = kept.expect("an image");
        let name = format!("localhost/{}:0.0.1", product.name);
        assert_eq!(kept.reference.as_str(), name);
        kept.path
    });
    assert!(images.iter().all(|path| path.is_file()), "{images:?}");
}

#[test]
fn a_test_image_is_kept_until_its_program_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_fleet-images"), &program).expect("copied");
    let images = folder.path().join("images");
    let first = operator_image(&program, "1", &images).expect("an image");
    let other_tag = operator_image(&program, "2", &images).expect("an image");
    let written = fs::metadata(&first.path)
        .expect("kept")
        .modified()
        .expect("a time");
    assert_eq!(
        operator_image(&program, "1", &images).expect("an image"),
        first
    );
    let again = fs::metadata(&first.path)
        .expect("kept")
        .modified()
        .expect("a time");
    assert_eq!(written, again, "written twice");

    let mut changed = fs::read(&program).expect("read");
    changed.push(0);
    fs::write(&program, changed).expect("written");
    let second = operator_image(&program, "1", &images).expect("an image");
    assert_ne!(second.digest, first.digest);
    assert!(second.path.exists() && !first.path.exists());
    assert!(other_tag.path.exists(), "another tag is another image");
}
