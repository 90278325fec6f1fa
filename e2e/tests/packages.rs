//! Packages of our charts in a registry: pushed, pulled and installed by both Helms, and what the
//! registry holds of them.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleet_chartgen::Release;
use fleet_e2e::helm::{Helm, Major};
use fleet_testbed::Testbed;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A version as a build from between two releases has it. Tags know no `+`.
const VERSION: &str = "0.1.0+build.7";
const TAG: &str = "0.1.0_build.7";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the registry answers to a question about a chart.
async fn ask(bed: &Testbed, path: &str) -> Value {
    let address = bed.registry().expect("a registry").address();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let path = format!("/v2/charts/{path}");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {MANIFEST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    assert!(head.contains(" 200 "), "{path}: {answer}");
    serde_json::from_str(body).expect("JSON")
}

/// The packages of a release, in a folder.
fn packed(folder: &Path) -> Vec<PathBuf> {
    let release = Release {
        version: VERSION.to_owned(),
        ..Release::current().expect("definitions")
    };
    let charts = fleet_chartgen::charts_of(&release).expect("charts");
    let alone = charts.iter().filter(|c| c.dependencies.is_empty());
    let packages = alone.map(|chart| {
        let package = chart.package(0).expect("a package");
        let path = folder.join(&package.file_name);
        fs::write(&path, package.bytes).expect("written");
        path
    });
    packages.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_go_through_a_registry_unchanged_and_install_from_it() {
    let bed = Testbed::builder("packages")
        .control_plane()
        .registry()
        .start()
        .await;
    let bed = bed.expect("a cluster and a registry");
    let registry = format!(
        "oci://{}/charts",
        bed.registry().expect("a registry").address()
    );
    let folder = bed.folder().join("packages");
    fs::create_dir_all(&folder).expect("a folder");
    let packages = packed(&folder);
    assert!(packages.len() >= 3, "{packages:?}");
    for major in Major::BOTH {
        let home = folder.join(major.to_string());
        let pulled = home.join("pulled");
        fs::create_dir_all(&pulled).expect("a folder");
        let helm = Helm::offline(major, &home).expect("a helm");
        let helm = helm.with_cluster(bed.kubeconfig().expect("a kubeconfig"));
        for package in &packages {
            let name = package
                .file_name()
                .and_then(|n| n.to_str())
                .expect("a name");
            let chart = name
                .strip_suffix(&format!("-{VERSION}.tgz"))
                .expect("its version");
            let path = package.display().to_string();
            let push = ["push", &path, &registry, "--plain-http"];
            helm.run(push).await.expect("pushed");

            let tags = ask(&bed, &format!("{chart}/tags/list")).await;
            assert_eq!(tags["tags"], json!([TAG]), "{major}: {chart}");
            let manifest = ask(&bed, &format!("{chart}/manifests/{TAG}")).await;
            let config = "application/vnd.cncf.helm.config.v1+json";
            assert_eq!(manifest["config"]["mediaType"], config, "{major}: {chart}");
            let layers = manifest["layers"].as_array().expect("layers");
            let content = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
            assert_eq!(layers[0]["mediaType"], content, "{major}: {chart}");
            assert_eq!(
                layers[0]["size"],
                fs::metadata(package).expect("a file").len()
            );

            let reference = format!("{registry}/{chart}");
            let to = pulled.display().to_string();
            let pull = [
                "pull",
                &reference,
                "--version",
                VERSION,
                "--plain-http",
                "--destination",
                &to,
            ];
            helm.run(pull).await.expect("pulled");
            let same =
                fs::read(pulled.join(name)).expect("read") == fs::read(package).expect("read");
            assert!(same, "{major}: {chart} came back changed");
        }
        install(&bed, &helm, &registry).await;
    }
}

/// The definitions need no node.
async fn install(bed: &Testbed, helm: &Helm, registry: &str) {
    let chart = format!("{registry}/fleet-crds");
    let place = ["--namespace", "fleet-system"];
    let install = ["install", "fleet-crds", &chart, "--version", VERSION];
    let more = [
        "--plain-http",
        "--create-namespace",
        "--set",
        "crds.keep=false",
    ];
    helm.run([&install[..], &place, &more].concat())
        .await
        .expect("installed");
    let api: Api<CustomResourceDefinition> = Api::all(bed.kube_client().await.expect("a client"));
    let ours = || async {
        let all = api.list(&ListParams::default()).await.expect("listed");
        let ours = all
            .into_iter()
            .filter(|crd| crd.spec.group == fleet_api::GROUP);
        ours.filter_map(|crd| crd.metadata.labels)
            .collect::<Vec<_>>()
    };
    let labels = ours().await;
    assert_eq!(labels.len(), 3);
    for labels in labels {
        assert_eq!(labels["app.kubernetes.io/version"], TAG);
        assert_eq!(labels["helm.sh/chart"], format!("fleet-crds-{TAG}"));
    }
    let uninstall = ["uninstall", "fleet-crds", "--wait"];
    helm.run([&uninstall[..], &place].concat())
        .await
        .expect("uninstalled");
    assert_eq!(
        ours().await.len(),
        0,
        "nothing stays that was not to be kept"
    );
}

/// A home of gpg with a key to sign with; none where there is no gpg, which is said.
struct Signer {
    home: TempDir,
}

impl Signer {
    const KEY: &str = "releases@fleet.example";

    fn start() -> Option<Self> {
        // Its agent's socket lies in it, and the path of a socket is short.
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp");
        let signer = Self {
            home: home.expect("a folder"),
        };
        let make = [
            "--quick-generate-key",
            Self::KEY,
            "rsa3072",
            "sign",
            "never",
        ];
        match signer.gpg(&make) {
            Ok(done) => assert!(done.status.success(), "{done:?}"),
            Err(error) => {
                let mut stderr = std::io::stderr().lock();
                writeln!(stderr, "skipped: signatures in a registry: gpg: {error}")
                    .expect("standard error");
                return None;
            }
        }
        Some(signer)
    }

    fn gpg(&self, args: &[&str]) -> std::io::Result<Output> {
        Command::new("gpg")
            .args(["--batch", "--passphrase", "", "--pinentry-mode", "loopback"])
            .args(args)
            .env("GNUPGHOME", self.home.path())
            .output()
    }

    /// The public key, as Helm reads it.
    fn keyring(&self) -> String {
        let path = self.home.path().join("public.gpg").display().to_string();
        let done = self.gpg(&["--output", &path, "--export", Self::KEY]);
        assert!(done.expect("gpg").status.success());
        path
    }

    /// All packages with their signatures.
    fn sign(&self, out: &Path) {
        let done = Command::new(fleet_testbed::program("fleet-chartgen").expect("it is built"))
            .args(["package", "--sign", Self::KEY, "--out"])
            .arg(out)
            .env("GNUPGHOME", self.home.path())
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .expect("it starts");
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let mut stop = Command::new("gpgconf");
        let _ = stop
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.home.path())
            .output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_goes_through_a_registry_and_is_asked_for() {
    let Some(signer) = Signer::start() else {
        return;
    };
    let bed = Testbed::builder("packages-signed").registry().start().await;
    let bed = bed.expect("a registry");
    let address = bed.registry().expect("a registry").address();
    let folder = bed.folder().join("signed");
    signer.sign(&folder);
    let version = env!("CARGO_PKG_VERSION");
    let package = folder.join(format!("fleet-operator-{version}.tgz"));
    let package = package.display().to_string();
    let keyring = signer.keyring();
    for (major, place) in [(Major::Three, "three"), (Major::Four, "four")] {
        let home = folder.join(place);
        std::fs::create_dir_all(&home).expect("a folder");
        let helm = Helm::offline(major, &home).expect("a helm");
        let registry = format!("oci://{address}/{place}");
        let push = ["push", &package, &registry, "--plain-http"];
        helm.run(push).await.expect("pushed");
        let reference = format!("{registry}/fleet-operator");
        let to = home.display().to_string();
        let pull = ["pull", &reference, "--version", version, "--plain-http"];
        let verify = ["--verify", "--keyring", &keyring, "--destination", &to];
        let verified = helm.run([&pull[..], &verify].concat()).await;
        let said = verified.expect("verified");
        assert!(said.contains(Signer::KEY), "{major}: {said}");
        // Who knows another key only does not get it.
        let stranger = Signer::start().expect("gpg is there");
        let stranger_ring = stranger.keyring();
        let verify = [
            "--verify",
            "--keyring",
            &stranger_ring,
            "--destination",
            &to,
        ];
        let refused = helm.run([&pull[..], &verify].concat()).await;
        assert!(
            refused.is_err(),
            "{major} took a signature of nobody it knows"
        );
    }
}
