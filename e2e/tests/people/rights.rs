//! What viewers, editors, admins and everybody else may do.

use fleet_testbed::wait;
use serde_json::json;

use crate::cluster::SOON;
use crate::scene::Scene;
use crate::user::User;

const WEB: &str = "deploy --name web --selector site=lab --image registry.example/web:1";

/// Roles that were just made are not yet known to every part of the API server.
async fn until_may(person: &User, what: &str) {
    let may = || async { person.kubectl(&format!("auth can-i {what}")).is_ok() };
    assert!(wait::until(SOON, may).await, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_and_cannot_write_and_without_a_role_one_sees_nothing() {
    let people = json!({"cluster": {"viewers": ["idp:fleet-viewer"]}});
    let scene = Scene::with("people-viewer", &people).await;
    let viewer = scene.person("vera", &["fleet-viewer"]).await;
    until_may(&viewer, "list deployments.fleet.nationtech.io -A").await;
    viewer.kubectl("get fleetdep -A").expect("sees Deployments");
    viewer.fleet("get devices").expect("sees devices");
    viewer.is_forbidden(viewer.fleet(&format!("{WEB} -n shop")));
    viewer.is_forbidden(viewer.kubectl("delete fleetdep -n shop web"));
    viewer.is_forbidden(viewer.kubectl("label fleetdev pi-1 owner=me"));
    viewer.is_forbidden(viewer.fleet("get enrolments"));
    // Only what is the fleet's.
    viewer.is_forbidden(viewer.kubectl("get configmaps -n shop"));

    let nobody = scene.person("nora", &[]).await;
    let said = nobody.kubectl("auth whoami -o json").expect("is somebody");
    assert!(
        said.contains(&scene.people().user(&nobody.subject)),
        "{said}"
    );
    for what in ["fleetdep -n shop", "fleetdev", "fleetenrol"] {
        nobody.is_forbidden(nobody.kubectl(&format!("get {what}")));
    }
    // A role that no values speak of is one like none.
    let other = scene.person("olga", &["accountant"]).await;
    other.is_forbidden(other.kubectl("get fleetdep -n shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_of_one_namespace_writes_there_and_nowhere_else() {
    let people = json!({
        "cluster": {"deviceViewers": ["idp:shop-editor"]},
        "namespaces": [{"namespace": "shop", "editors": ["idp:shop-editor"]}],
    });
    let scene = Scene::with("people-editor", &people).await;
    let editor = scene.person_by_code("edda", &["shop-editor"]);
    until_may(&editor, "create deployments.fleet.nationtech.io -n shop").await;
    editor.fleet(&format!("{WEB} -n shop")).expect("deploys");
    let list = editor.kubectl("get fleetdep -n shop").expect("reads");
    assert!(list.contains("web"), "{list}");
    editor.kubectl("get fleetdev").expect("sees devices");
    editor.is_forbidden(editor.fleet(&format!("{WEB} -n lab")));
    editor.is_forbidden(editor.kubectl("get fleetdep -n lab"));
    editor.is_forbidden(editor.kubectl("get fleetdep -A"));
    editor.is_forbidden(editor.kubectl("label fleetdev pi-1 owner=me"));
    editor
        .fleet("deploy --name web -n shop --delete")
        .expect("deletes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_decides_which_devices_join_and_a_namespaces_admin_who_deploys() {
    let people = json!({
        "cluster": {"admins": ["idp:fleet-admin"]},
        "namespaces": [{"namespace": "shop", "admins": ["idp:shop-owner"]}],
    });
    let scene = Scene::with("people-admin", &people).await;
    let enrolment = scene.enrolment().await;
    let admin = scene.person("adam", &["fleet-admin"]).await;
    until_may(&admin, "patch deviceenrolments.fleet.nationtech.io").await;
    let list = admin.fleet("get enrolments").expect("sees who asks");
    assert!(list.contains(&enrolment), "{list}");
    let said = admin
        .fleet(&format!("approve {enrolment}"))
        .expect("approves");
    assert!(said.contains("approved"), "{said}");
    admin
        .fleet(&format!("{WEB} -n lab"))
        .expect("deploys anywhere");
    // Who may give power away is the cluster's own business.
    admin.is_forbidden(admin.kubectl(&bind("fleet-fleet-operator-deployments-viewer", "shop")));

    let owner = scene.person("olaf", &["shop-owner"]).await;
    until_may(&owner, "create rolebindings -n shop").await;
    owner.is_forbidden(owner.fleet(&format!("approve {enrolment}")));
    owner
        .kubectl(&bind("fleet-fleet-operator-deployments-editor", "shop"))
        .expect("lets a colleague in");
    // Not with more than the owner has, and not elsewhere.
    for (role, namespace) in [
        ("fleet-fleet-operator-devices-editor", "shop"),
        ("cluster-admin", "shop"),
        ("fleet-fleet-operator-deployments-editor", "lab"),
    ] {
        owner.is_forbidden(owner.kubectl(&bind(role, namespace)));
    }
    let colleague = scene.person("cora", &["shop-helper"]).await;
    until_may(&colleague, "create deployments.fleet.nationtech.io -n shop").await;
}

fn bind(role: &str, namespace: &str) -> String {
    format!(
        "create rolebinding helpers --clusterrole {role} --group idp:shop-helper -n {namespace}"
    )
}
