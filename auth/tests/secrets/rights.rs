//! It may do what it needs, and nothing else: what the API server wrote down says so.

use std::collections::BTreeSet;

use fleet_auth::secrets::PUBLIC_NAME;
use fleet_auth::secrets::catalogue::{AUTHORITY_NAME, Name};
use fleet_auth::secrets::rbac::{GRANTS, Grant, Objects, Role};
use fleet_rbac::Verb;
use fleet_testbed::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;

use crate::scene::{OPENBAO, SYSTEM, Scene};

/// Whether a request needs this verb of a grant.
fn covers(grant: &Grant, verb: Verb, request: &Request) -> bool {
    let place = match grant.scope {
        Role::Seal | Role::Masterkey => OPENBAO,
        Role::Ensure | Role::Rotate => SYSTEM,
    };
    let name = request.name.as_str();
    let object = match grant.names {
        Objects::Any => true,
        Objects::Keys => Name::ALL.iter().any(|key| key.secret() == name),
        Objects::Kept => name == AUTHORITY_NAME || Name::ALL.iter().any(|key| key.secret() == name),
        Objects::Public => name == PUBLIC_NAME,
    };
    object
        && verb.as_str() == request.verb
        && request.group.is_empty()
        && request.resource == grant.resource
        && request.namespace == place
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
    let used = || {
        let requests = scene.bed.api_server().expect("a server").audited();
        requests.expect("an audit log")
    };
    let refused: Vec<_> = used().into_iter().filter(|r| r.code == 403).collect();
    assert!(refused.is_empty(), "a grant is missing: {refused:#?}");

    // Changing a key takes a role of its own.
    let error = scene.refused(&["--rotate", "manifest"]);
    assert!(error.contains("failed to change the Secret"), "{error}");
    scene.grant(Role::Rotate).await;
    for how in ["--rotate", "--switch", "--retire"] {
        scene.ensured(&[how, "manifest"]);
    }

    let verbs = || {
        GRANTS
            .iter()
            .flat_map(|g| g.verbs.iter().map(move |v| (g, *v)))
    };
    let requests = used();
    let outside: BTreeSet<_> = requests
        .iter()
        .filter(|request| !verbs().any(|(grant, verb)| covers(grant, verb, request)))
        .map(|request| format!("{request:?}"))
        .collect();
    assert!(outside.is_empty(), "no grant covers: {outside:#?}");
    let succeeded: Vec<_> = requests.iter().filter(|r| r.code < 400).collect();
    let unused: Vec<_> = verbs()
        .filter(|(grant, verb)| !succeeded.iter().any(|r| covers(grant, *verb, r)))
        .collect();
    assert!(unused.is_empty(), "nobody used: {unused:#?}");
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
