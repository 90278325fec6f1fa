//! The permissions of a check: each is needed, and none is missing.

use fleet_check_core::rbac::{GRANTS, Scope};
use fleet_testbed::Mismatch;

use crate::scene::{NAMESPACE, Scene, TOKENS};

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_granted_is_used_and_nothing_else_is_asked_for() {
    let scene = Scene::start("check-rights").await;
    let run = scene.run(120).await;
    assert_eq!(run.code, Some(0), "{}", run.said);
    let mismatch = Mismatch::between(&scene.asked(), GRANTS, &(), |scope| match scope {
        Scope::Cluster => None,
        Scope::Deployment => Some(NAMESPACE),
        Scope::Tokens => Some(TOKENS),
    });
    assert_eq!(mismatch, Mismatch::default());
}
