//! Whether Flux's own definitions take the example for it, to the letter.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fleet_gitops::{flux, flux_example};
use fleet_testbed::{Testbed, wait};
use fleet_tools::{Library, Tool};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
/// The definitions that the example needs, each in its module.
const DEFINITIONS: [(Library, &str); 2] = [
    (
        Library::FluxHelm,
        "helm.toolkit.fluxcd.io_helmreleases.yaml",
    ),
    (
        Library::FluxSource,
        "source.toolkit.fluxcd.io_ocirepositories.yaml",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_what_the_definitions_of_flux_ask_for() {
    let mut files = Vec::new();
    for (library, name) in DEFINITIONS {
        match fleet_tools::library(library) {
            Ok(folder) => files.push(folder.join("config/crd/bases").join(name)),
            Err(why) => {
                // Not with a macro: the harness would keep it to itself.
                writeln!(std::io::stderr(), "skipped: Flux's definitions: {why}").expect("said");
                return;
            }
        }
    }
    let bed = Testbed::builder("flux")
        .control_plane()
        .start()
        .await
        .expect("a cluster");
    for file in &files {
        apply(&bed, file);
    }
    let client = bed.kube_client().await.expect("a client");
    let (registry, version) = flux_example().expect("parameters");
    let json = |object: Result<Value, serde_json::Error>| object.expect("JSON");
    let namespace = json(serde_json::to_value(flux::namespace()));
    take(&client, &namespace, &PatchParams::apply("test"))
        .await
        .expect("a namespace");
    let strict = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("test")
    };
    let objects = [
        json(serde_json::to_value(flux::repository(&registry, version))),
        json(serde_json::to_value(flux::release())),
    ];
    for object in &objects {
        let served = || async { !is_missing(&take(&client, object, &strict).await) };
        assert!(
            wait::until(LIMIT, served).await,
            "the definitions are served"
        );
        let answer = take(&client, object, &strict).await;
        answer.unwrap_or_else(|error| panic!("{error}: {object:#}"));
        // And they do refuse.
        let mut wrong = object.clone();
        wrong["spec"]["intervall"] = wrong["spec"]["interval"].clone();
        let error = take(&client, &wrong, &strict).await.expect_err("refused");
        assert!(error.to_string().contains("intervall"), "{error}");
    }
}

async fn take(
    client: &kube::Client,
    object: &Value,
    params: &PatchParams,
) -> kube::Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
    let types = object.types.clone().expect("a kind");
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).expect("a kind"));
    if types.kind == "OCIRepository" {
        "ocirepositories".clone_into(&mut resource.plural);
    }
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().expect("a name");
    api.patch(&name, params, &Patch::Apply(&object)).await
}

/// The API server does not know the kind yet.
fn is_missing(answer: &kube::Result<DynamicObject>) -> bool {
    matches!(answer, Err(kube::Error::Api(status)) if status.code == 404)
}

fn apply(bed: &Testbed, file: &Path) {
    let toolbox = fleet_tools::ensure(&[Tool::Kubectl], &mut |_| {}).expect("kubectl");
    let output = Command::new(toolbox.path(Tool::Kubectl).expect("kubectl"))
        .args(["apply", "--server-side", "-f"])
        .arg(file)
        .env("KUBECONFIG", bed.kubeconfig().expect("a kubeconfig"))
        .env("NO_PROXY", "*")
        .output()
        .expect("kubectl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", file.display());
}
