//! It may do what it needs, and nothing else: what the API server wrote down says so.

use fleet_auth::secrets::PUBLIC_NAME;
use fleet_auth::secrets::rbac::{GRANTS, Role};
use fleet_testbed::Mismatch;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;

use crate::scene::{OPENBAO, SYSTEM, Scene};

/// What somebody with these roles asked beside what they grant.
fn compared(scene: &Scene) -> Mismatch {
    let requests = scene.bed.api_server().expect("a server").audited();
    let requests = requests.expect("an audit log");
    Mismatch::between(&requests, GRANTS, &(), |role| match role {
        Role::Seal | Role::Masterkey => Some(OPENBAO),
        Role::Ensure | Role::Rotate => Some(SYSTEM),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_granted_is_used_and_nothing_else_is_asked_for() {
    let scene = Scene::start("secrets-rights").await;
    scene.ensured(&[]);
    scene.ensured(&[]);
    // As after a run that was killed before it told others.
    let maps: Api<ConfigMap> = Api::namespaced(scene.client.clone(), SYSTEM);
    let deleted = maps.delete(PUBLIC_NAME, &DeleteParams::default()).await;
    deleted.expect("deleted");
    scene.ensured(&[]);
    assert_eq!(compared(&scene).refused, []);

    // Changing a key takes a role of its own.
    let error = scene.refused(&["--rotate", "manifest"]);
    assert!(error.contains("failed to change the Secret"), "{error}");
    scene.grant(Role::Rotate).await;
    for how in ["--rotate", "--switch", "--retire"] {
        scene.ensured(&[how, "manifest"]);
    }

    let compared = compared(&scene);
    assert_eq!(compared.outside, []);
    assert_eq!(compared.unused, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn zitadels_key_alone_takes_the_right_to_create_and_reads_nothing() {
    let scene = Scene::with("secrets-masterkey", [Role::Masterkey]).await;
    let only = ["--zitadel-masterkey-only"];
    let path = format!("Secret {OPENBAO}/fleet-zitadel-masterkey");
    assert_eq!(scene.ensured(&only), [format!("created   {path}")]);
    let kept = scene.kept(OPENBAO).await;
    assert_eq!(scene.ensured(&only), [format!("unchanged {path}")]);
    assert_eq!(scene.kept(OPENBAO).await, kept);
    assert_eq!(scene.kept(SYSTEM).await.len(), 0, "nothing else is made");
}
