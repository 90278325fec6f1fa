//! Beside kubectl, on a real API server: it takes what is printed, and runs the plugin.

use std::path::Path;
use std::process::Command;

use fleet_tools::{Tool, ensure};

use crate::bed::Bed;
use crate::support::{self, Said, run_with_input};

/// kubectl, pointed at this cluster, with our plugin on PATH.
fn kubectl(bed: &Bed) -> Command {
    let toolbox = ensure(&[Tool::Kubectl], &mut |_| {}).expect("kubectl");
    let mut command = support::program(toolbox.path(Tool::Kubectl).expect("kubectl"));
    let plugins = Path::new(env!("CARGO_BIN_EXE_kubectl-fleet"))
        .parent()
        .expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", plugins.display()));
    command.env(
        "KUBECONFIG",
        bed.testbed.kubeconfig().expect("a kubeconfig"),
    );
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_what_is_printed_and_runs_the_plugin() {
    let bed = Bed::installed("cli-kubectl").await;
    let args =
        "deploy --name web --selector site=lab --image nginx:1 --env ON=NO --env EMPTY= --print";
    let printed = bed.fleet(&args.split(' ').collect::<Vec<_>>()).ok();
    let apply = ["apply", "--validate=strict", "-f", "-"];
    let said = run_with_input(kubectl(&bed), &apply, &printed).ok();
    assert_eq!(said, "deployment.fleet.nationtech.io/web created\n");

    let service = &serde_json::to_value(bed.deployments().get("web").await.expect("exists"))
        .expect("json")["spec"]["score"]["PodmanV0"]["services"][0];
    assert_eq!(service["env"], serde_json::json!({"ON": "NO", "EMPTY": ""}));

    let run = |args: &str| -> Said { support::run(kubectl(&bed), args.split(' ')) };
    let ours = run("fleet get deployments").ok();
    assert!(ours.contains("web"), "{ours}");
    // kubectl computes its columns from the CRD; both show the same.
    let theirs = run("get deployments.fleet.nationtech.io").ok();
    let columns = |table: &str| -> Vec<String> {
        table
            .lines()
            .next()
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(columns(&ours), columns(&theirs));
    let (ours, theirs) = (
        run("fleet get devices"),
        run("get devices.fleet.nationtech.io"),
    );
    assert_eq!(ours.err, theirs.err);

    let error = run("fleet get nothing").failed();
    assert!(error.contains("deployments or enrolments"), "{error}");

    // What a person asks who has forgotten how a field is called.
    let explained = run("explain fleetdep.spec.targetSelector").ok();
    for said in [
        "FIELDS:",
        "matchLabels",
        "matchExpressions",
        "KIND:       Deployment",
    ] {
        assert!(explained.contains(said), "{said}: {explained}");
    }
    assert!(!explained.contains("<no description>"), "{explained}");
}
