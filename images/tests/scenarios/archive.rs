//! What the writer makes, read by podman.

use std::fs;

use crate::support::{Podman, busybox, skip};
use fleet_images::oci::{
    Architecture, Archive, Compression, Contents, Epoch, Image, Layer, Settings,
};
use serde_json::{Value, json};

const REFERENCE: &str = "registry.example/fleet/web:v1";

fn archive(compression: Compression, architectures: &[Architecture]) -> Option<Archive> {
    let Some(busybox) = busybox() else {
        skip(
            "images of busybox",
            "no busybox; tools/system-packages.sh installs one",
        );
        return None;
    };
    let program = fs::read(busybox).expect("busybox");
    let image = Image::new(REFERENCE.parse().expect("a name"), Epoch::default())
        .compression(compression)
        .label("org.opencontainers.image.title", "web");
    let image = architectures.iter().fold(image, |image, architecture| {
        let layers = [
            Layer::new().file("/busybox", 0o755, program.clone()),
            Layer::new().file("/architecture", 0o644, architecture.as_str()),
        ];
        let settings = Settings {
            user: "65532:65532".into(),
            entrypoint: vec!["/busybox".into()],
            command: vec!["cat".into(), "/architecture".into()],
            environment: vec!["COLOUR=blue".into()],
            ports: vec!["80/tcp".into()],
            stop_signal: Some("SIGKILL".into()),
        };
        image.platform(*architecture, Contents::new(settings, layers))
    });
    Some(image.archive().expect("an image"))
}

#[test]
fn podman_takes_the_platform_it_runs_on_under_the_full_name() {
    let Some(here) = Architecture::here() else {
        return skip("loading an image", "no images for this architecture");
    };
    let Some(podman) = Podman::start("loading an image") else {
        return;
    };
    let both = &[Architecture::Amd64, Architecture::Arm64][..];
    for (compression, platforms) in [
        (Compression::Gzip, both),
        (Compression::None, both),
        (Compression::None, &[here][..]),
    ] {
        let Some(archive) = archive(compression, platforms) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("image.tar");
        archive.save(&path).expect("saved");
        let loaded = podman.ok(["load".as_ref(), "--input".as_ref(), path.as_os_str()]);
        assert!(loaded.contains(REFERENCE), "{loaded}");
        assert_eq!(
            podman.ok(["run", "--rm", "--network=none", REFERENCE]),
            here.as_str()
        );

        let inspected = podman.ok(["image", "inspect", REFERENCE]);
        let image: Value = serde_json::from_str(&inspected).expect("JSON");
        assert_settings(&image[0]);
        assert_eq!(image[0]["Digest"], archive.digest().to_string());
        let names = image[0]["RepoDigests"].to_string();
        let manifest = archive.manifests()[&here].to_string();
        assert!(names.contains(&manifest), "{names}");
        podman.ok(["rmi", REFERENCE]);
    }
}

fn assert_settings(image: &Value) {
    let config = &image["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Env"], json!(["COLOUR=blue"]));
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}}));
    assert_eq!(config["StopSignal"], "SIGKILL");
    let labels = json!({
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "org.opencontainers.image.title": "web",
    });
    assert_eq!(config["Labels"], labels);
    assert_eq!(image["Annotations"], labels);
}
