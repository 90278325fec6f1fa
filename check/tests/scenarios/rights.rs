//! The permissions of a check: each is needed, and none is missing.

use std::collections::BTreeSet;

use fleet_check_core::NAME;
use fleet_check_core::rbac::{GRANTS, Grant, Names, Scope};
use fleet_rbac::Verb;
use fleet_testbed::Request;

use crate::scene::{NAMESPACE, Scene, TOKENS};

/// Whether a request needs this verb of this grant.
fn covers(grant: &Grant, verb: Verb, request: &Request) -> bool {
    let place = match grant.scope {
        Scope::Cluster => true,
        Scope::Deployment => request.namespace == NAMESPACE,
        Scope::Tokens => request.namespace == TOKENS,
    };
    let name = match grant.names {
        Names::Any => true,
        Names::Own => request.name == NAME,
    };
    place
        && name
        && grant.api_group == request.group
        && grant.resource == request.resource
        && verb.as_str() == request.verb
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_granted_is_used_and_nothing_else_is_asked_for() {
    let scene = Scene::start("check-rights").await;
    let run = scene.run(120).await;
    assert_eq!(run.code, Some(0), "{}", run.said);
    let requests = scene.asked();
    let refused: Vec<_> = requests.iter().filter(|r| r.code == 403).collect();
    assert!(refused.is_empty(), "a grant is missing: {refused:#?}");
    let all = || {
        let verbs = |grant: &'static Grant| grant.verbs.iter().map(move |verb| (grant, *verb));
        GRANTS.iter().flat_map(verbs)
    };
    let outside: BTreeSet<_> = requests
        .iter()
        .filter(|request| !all().any(|(grant, verb)| covers(grant, verb, request)))
        .map(|request| format!("{request:?}"))
        .collect();
    assert!(outside.is_empty(), "no grant covers: {outside:#?}");
    let unused: Vec<_> = all()
        .filter(|(grant, verb)| !requests.iter().any(|r| covers(grant, *verb, r)))
        .map(|(grant, verb)| format!("{} {}", verb.as_str(), grant.resource))
        .collect();
    assert!(unused.is_empty(), "nobody used: {unused:#?}");
}
