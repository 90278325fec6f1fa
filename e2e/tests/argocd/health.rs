//! What Argo CD says of a Deployment in every state that the operator leaves it in.

use fleet_api::Deployment;
use fleet_chartgen::Release;
use fleet_gitops::health::{Case, Kind, cases};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::bed::Bed;

/// Without an operator, so that nobody writes the status but the test.
#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_shows_the_health_of_a_deployment_in_every_state() {
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start("argocd-health", |bed| bed, &release).await else {
        return;
    };
    for application in ["fleet-crds", "fleet-defaults"] {
        bed.repository.add_application(application);
    }
    let commit = bed.repository.commit("the definitions, and a Deployment");
    bed.bootstrap().await;
    bed.applications.synced("fleet-crds", &commit).await;
    let has_come = |seen: &crate::applications::Seen| seen.has_synced(&commit);
    let seen = bed.applications.wait("fleet-defaults", "synced", has_come);
    assert_eq!(
        seen.await.object("Deployment", "hello"),
        Some(("Progressing", "waiting for a status"))
    );

    let deployments: Api<Deployment> = Api::namespaced(bed.client.clone(), "fleet-workloads");
    let all = cases(Kind::Deployment).expect("objects");
    for case in all.iter().filter(|case| !case.object["status"].is_null()) {
        let generation = deployments
            .get("hello")
            .await
            .expect("it")
            .metadata
            .generation;
        let patch = json!({"status": status(case, generation)});
        let patch = Patch::Merge(&patch);
        let params = PatchParams::default();
        let patched = deployments.patch_status("hello", &params, &patch).await;
        patched.expect("a status");
        let expected = Some((case.health.as_str(), case.message.as_str()));
        let shown = |seen: &crate::applications::Seen| {
            seen.object("Deployment", "hello") == expected
                && seen.health() == case.health.as_str()
                && seen.sync() == "Synced"
        };
        bed.applications
            .wait("fleet-defaults", case.name, shown)
            .await;
        println!("{}: {}: {}", case.name, case.health.as_str(), case.message);
    }
}

/// The status of the case, about this generation where it was about the case's own.
fn status(case: &Case, generation: Option<i64>) -> Value {
    let own = case.object["metadata"]["generation"].as_i64();
    let mut status = case.object["status"].clone();
    let conditions = status["conditions"].as_array_mut().expect("conditions");
    for condition in conditions {
        let seen = condition["observedGeneration"].as_i64();
        let current = seen == own;
        let generation = generation.unwrap_or_default();
        condition["observedGeneration"] = json!(if current { generation } else { generation - 1 });
    }
    status
}
