//! Deployments, on a real API server.

use std::process::Stdio;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

use crate::bed::{Bed, soon, status};
use crate::support::{self, run_with_input};

const WEB: [&str; 7] = [
    "deploy",
    "--name",
    "web",
    "--target-all",
    "--port",
    "8080:80",
    "--image",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_from_its_first_apply_to_its_end() {
    let bed = Bed::empty("cli-deploy").await;
    let error = bed.fleet(&["get", "devices"]).failed();
    assert!(
        error.contains("is fleet-platform installed in this cluster?"),
        "{error}"
    );
    let error = bed.fleet(&[&WEB[..], &["nginx:1"]].concat()).failed();
    assert!(
        error.contains("is fleet-platform installed in this cluster?"),
        "{error}"
    );
    bed.install().await;

    let nothing = bed.fleet(&["get", "deployments"]);
    assert_eq!(nothing.err, "No resources found in default namespace.\n");
    assert_eq!(nothing.ok(), "");

    let reference = "deployment.fleet.nationtech.io/web";
    assert_eq!(
        bed.fleet(&[&WEB[..], &["nginx:1"]].concat()).ok(),
        format!("{reference} created\n")
    );
    assert_eq!(
        bed.fleet(&[&WEB[..], &["nginx:1"]].concat()).ok(),
        format!("{reference} unchanged\n")
    );
    assert_eq!(
        bed.fleet(&[&WEB[..], &["nginx:2"]].concat()).ok(),
        format!("{reference} configured\n")
    );

    let deployment = bed.deployments().get("web").await.expect("exists");
    let managers = deployment.metadata.managed_fields.unwrap_or_default();
    assert_eq!(managers[0].manager.as_deref(), Some("fleet-cli"));

    let table = bed.fleet(&["get", "fleetdep", "-o", "wide"]).ok();
    assert!(table.starts_with("NAME   MATCHED"), "{table}");
    assert!(
        table.contains("nginx:2") && table.contains("<all devices>"),
        "{table}"
    );
    assert_eq!(
        bed.fleet(&["get", "dep/web", "-o", "name"]).ok(),
        format!("{reference}\n")
    );
    let yaml = bed.fleet(&["get", "deployment", "web", "-o", "yaml"]).ok();
    assert!(!yaml.contains("managedFields"), "{yaml}");
    let applied_again = run_with_input(
        bed.program(),
        &["plan", "-f", "-", "--detailed-exitcode"],
        &yaml,
    );
    assert!(applied_again.ok().contains("is already so"));

    let description = bed.fleet(&["describe", "deployment", "web"]).ok();
    assert!(
        description.contains("nginx:2") && description.contains("8080:80"),
        "{description}"
    );

    assert_eq!(
        bed.fleet(&["deploy", "--name", "web", "--delete", "--wait"])
            .ok(),
        format!("{reference} deleted\n")
    );
    for args in [
        &["get", "dep", "web"][..],
        &["describe", "dep", "web"],
        &["deploy", "--name", "web", "--delete"],
    ] {
        let error = bed.fleet(args).failed();
        assert!(
            error.contains("(NotFound)") && error.contains("\"web\" not found"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_refuses_bad_input_with_field_and_rule() {
    let bed = Bed::installed("cli-refuse").await;
    let score = |service: &str| format!(r#"{{"PodmanV0": {{"services": [{service}]}}}}"#);
    let deploy = |service: &str| {
        let args = ["deploy", "--name", "bad", "--target-all", "--file", "-"];
        run_with_input(bed.program(), &args, &score(service)).failed()
    };

    let typo = deploy(r#"{"name": "a", "image": "i", "prots": []}"#);
    assert!(typo.contains("prots"), "{typo}");
    let range = deploy(
        r#"{"name": "a", "image": "i", "healthcheck": {"command": ["true"], "retries": 1000}}"#,
    );
    assert!(
        range.contains("spec.score.PodmanV0.services[0].healthcheck.retries"),
        "{range}"
    );
    assert!(range.contains("100"), "{range}");

    let manifest = json!({"apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "bad"}, "spec": {"targetSelector": {"matchLabels": {"-a": "x"}},
        "score": {"PodmanV0": {"services": [{"name": "a", "image": "i"}]}}}});
    let error = run_with_input(bed.program(), &["plan", "-f", "-"], &manifest.to_string()).failed();
    assert!(error.contains("spec.targetSelector.matchLabels"), "{error}");
    assert!(error.contains("keys must be label keys"), "{error}");

    let mut empty = manifest;
    empty["spec"]["targetSelector"] = json!({});
    let error = run_with_input(bed.program(), &["plan", "-f", "-"], &empty.to_string()).failed();
    assert!(error.contains("targetAll: true"), "{error}");

    let error = bed
        .fleet(&[&WEB[..], &["i", "-n", "nowhere"]].concat())
        .failed();
    assert!(
        error.contains("namespaces \"nowhere\" not found"),
        "{error}"
    );
    assert_eq!(
        bed.fleet(&["get", "deployments", "-A", "-o", "name"]).ok(),
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_another_manager_are_taken_over_only_on_demand() {
    let bed = Bed::installed("cli-conflict").await;
    let printed = bed
        .fleet(&[&WEB[..], &["nginx:1", "--print"]].concat())
        .ok();
    let theirs: fleet_api::Deployment = serde_saphyr::from_str(&printed).expect("a Deployment");
    let params = kube::api::PatchParams::apply("argocd");
    let patch = kube::api::Patch::Apply(&theirs);
    bed.deployments()
        .patch("web", &params, &patch)
        .await
        .expect("applied");

    let error = bed.fleet(&[&WEB[..], &["nginx:2"]].concat()).failed();
    assert!(
        error.contains("argocd") && error.contains("--force-conflicts"),
        "{error}"
    );
    let taken = bed
        .fleet(&[&WEB[..], &["nginx:2", "--force-conflicts"]].concat())
        .ok();
    assert!(taken.contains("configured"), "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_verdict_of_the_operator() {
    let bed = Bed::installed("cli-wait").await;
    let start = |image: &str| {
        let mut command = bed.program();
        command.args([&WEB[..], &[image, "--wait", "--timeout", "60s"]].concat());
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts")
    };
    let generation = |wanted: i64| {
        let api = bed.deployments();
        move || {
            let api = api.clone();
            async move {
                let found = api.get_opt("web").await.ok().flatten();
                found.is_some_and(|d| d.metadata.generation == Some(wanted))
            }
        }
    };

    let child = start("nginx:1");
    soon("not applied", generation(1)).await;
    let pending = json!({"matchedDeviceCount": 2, "succeeded": 1, "pending": 1});
    bed.set_status("web", &status("Progressing", "DevicesPending", 1, &pending))
        .await;
    let all = json!({"matchedDeviceCount": 2, "succeeded": 2, "pending": 0});
    bed.set_status("web", &status("Ready", "AllSucceeded", 1, &all))
        .await;
    let said = support::ended(child).ok();
    assert!(
        said.contains("2/2 succeeded, 0 pending, 0 failed, 0 unreachable"),
        "{said}"
    );
    assert!(
        said.ends_with("web runs on every device it matches\n"),
        "{said}"
    );

    let child = start("nginx:2");
    soon("not applied", generation(2)).await;
    let failed = json!({"matchedDeviceCount": 2, "succeeded": 1, "failed": 1, "lastError": {
        "device": "pi-7", "reason": "ImageNotFound", "message": "no such tag", "at": "2026-01-01T00:00:00Z"}});
    bed.set_status("web", &status("Stalled", "DevicesFailed", 2, &failed))
        .await;
    let said = support::ended(child);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err.contains("device pi-7: ImageNotFound: no such tag"),
        "{said:?}"
    );

    let late = bed.fleet(&[&WEB[..], &["nginx:3", "--wait", "--timeout", "0s"]].concat());
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.err.contains("is not ready after 0 s"), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_is_that_of_flag_context_or_default() {
    let bed = Bed::installed("cli-namespace").await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let shop = Namespace {
        metadata: ObjectMeta {
            name: Some("shop".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    namespaces
        .create(&PostParams::default(), &shop)
        .await
        .expect("created");
    bed.fleet(&[&WEB[..], &["nginx:1", "-n", "shop"]].concat())
        .ok();
    assert_eq!(bed.fleet(&["get", "dep", "-o", "name"]).ok(), "");
    let all = bed.fleet(&["get", "dep", "-A", "--no-headers"]).ok();
    assert!(all.starts_with("shop   web"), "{all}");

    // The same cluster with another namespace in its context, as kubectl config set-context does.
    let path = bed.testbed.kubeconfig().expect("a kubeconfig");
    let text = std::fs::read_to_string(path).expect("read");
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).expect("yaml");
    config["contexts"][0]["context"]["namespace"] = "shop".into();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), config.to_string()).expect("written");
    let kubeconfig = file.path().to_str().expect("text");
    let named = bed
        .fleet(&["get", "dep", "-o", "name", "--kubeconfig", kubeconfig])
        .ok();
    assert_eq!(named, "deployment.fleet.nationtech.io/web\n");
}
