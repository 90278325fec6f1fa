//! What the projects keep out, although somebody committed it.

use std::path::Path;

use fleet_chartgen::Release;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use serde_json::json;

use crate::applications::Seen;
use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_project_does_not_allow_never_comes_from_git() {
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start("argocd-bounds", |bed| bed, &release).await else {
        return;
    };
    for application in ["fleet-crds", "fleet-defaults"] {
        bed.repository.add_application(application);
    }
    let object = |kind: &str, namespace: &str| {
        json!({"apiVersion": "v1", "kind": kind,
            "metadata": {"name": "smuggled", "namespace": namespace}})
    };
    // A Secret among Deployments, something in a foreign namespace, and something beside applications.
    let manifests = Path::new("gitops/manifests");
    let overlay = bed.repository.parameters.overlay();
    for (path, object) in [
        ("defaults/secret.yaml", object("Secret", "fleet-workloads")),
        (
            "defaults/elsewhere.yaml",
            object("ConfigMap", "kube-system"),
        ),
        (
            &format!("{overlay}/applications/beside.yaml"),
            object("ConfigMap", "argocd"),
        ),
    ] {
        bed.repository
            .write(&manifests.join(path), &object.to_string());
    }
    bed.repository.commit("more than is allowed");
    bed.bootstrap().await;
    let refused = |seen: &Seen| {
        let said = seen.results();
        said.contains("ConfigMap is not permitted in project fleet-root")
    };
    bed.applications.wait("fleet", "refused", refused).await;

    // The applications themselves, from a commit without that.
    bed.repository.remove(&format!(
        "gitops/manifests/{overlay}/applications/beside.yaml"
    ));
    bed.repository.commit("less");
    let refused = |seen: &Seen| {
        let said = seen.results();
        said.contains("Secret is not permitted in project fleet")
            && said.contains("namespace kube-system is not permitted in project 'fleet'")
    };
    bed.applications
        .wait("fleet-defaults", "refused", refused)
        .await;
    let secrets: Api<Secret> = Api::namespaced(bed.client.clone(), "fleet-workloads");
    let maps = ["argocd", "kube-system"];
    for namespace in maps {
        let maps: Api<ConfigMap> = Api::namespaced(bed.client.clone(), namespace);
        assert_eq!(maps.get_opt("smuggled").await.expect("an answer"), None);
    }
    assert_eq!(secrets.get_opt("smuggled").await.expect("an answer"), None);
}
