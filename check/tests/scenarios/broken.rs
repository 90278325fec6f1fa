//! Platforms that do not work, and checks that are cut short.

use fleet_check_core::Step;
use fleet_check_core::rbac::Scope;
use fleet_testbed::wait;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::scene::{ACCOUNT, Run, SOON, Scene, finished};

/// Which step failed, by what was printed.
fn failed(run: &Run) -> Option<Step> {
    let line = run.said.lines().find(|line| line.starts_with("FAILED"))?;
    Step::ALL
        .into_iter()
        .find(|step| line.ends_with(step.title()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_is_named_by_its_step_and_nothing_is_left() {
    let scene = Scene::start("check-broken").await;

    scene.identity.callout.stop().await.expect("stopped");
    let run = scene.run(20).await;
    assert_eq!((run.code, failed(&run)), (Some(1), Some(Step::LogIn)));
    assert!(
        run.said
            .contains("what to do: the bus asks the auth callout")
    );
    assert!(
        run.said.contains("LoginUnanswered"),
        "the agent's words: {}",
        run.said
    );
    assert_eq!(scene.left().await, Vec::<String>::new(), "{}", run.said);
    scene.identity.callout.start_again().expect("started");

    // It logs in, and nobody makes a Device of it.
    scene.operator.stop().await.expect("stopped");
    let run = scene.run(20).await;
    assert_eq!((run.code, failed(&run)), (Some(1), Some(Step::LogIn)));
    assert!(
        run.said
            .contains("missing: the cluster has no Device of it")
    );
    assert_eq!(scene.left().await, Vec::<String>::new(), "{}", run.said);
    scene.operator.start().expect("started");

    // Nobody takes requests; then there is no enrolment to remove.
    scene.identity.enrolment.stop().await.expect("stopped");
    let run = scene.run(5).await;
    assert_eq!((run.code, failed(&run)), (Some(1), Some(Step::Ask)));
    assert_eq!(scene.left().await, Vec::<String>::new(), "{}", run.said);
    scene.identity.enrolment.start_again().expect("started");

    // A right is taken away; nothing can be waited for.
    let roles: Api<ClusterRole> = Api::all(scene.client.clone());
    let mut granted = fleet_check_core::rbac::rules(Scope::Cluster);
    granted.retain(|rule| rule.resources.as_deref() != Some(&["devices".to_owned()]));
    let (patch, params) = (json!({"rules": granted}), PatchParams::default());
    let patched = roles.patch(ACCOUNT, &params, &Patch::Merge(patch)).await;
    patched.expect("patched");
    let refused = || async { scene.run(30).await.said.contains("LEFT") };
    assert!(wait::until(SOON, refused).await, "what is left is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_or_killed_run_made_is_removed() {
    let scene = Scene::start("check-cut").await;
    for signal in [Signal::TERM, Signal::KILL] {
        let child = scene.spawn(120);
        let joined = || async { scene.left().await.iter().any(|o| o.starts_with("Device ")) };
        scene.until("joined", joined).await;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("told");
        let run = finished(child).await;
        if signal == Signal::TERM {
            assert_eq!(run.code, Some(1));
            assert!(run.said.contains("stopped by a signal"), "{}", run.said);
            assert_eq!(scene.left().await, Vec::<String>::new());
        } else {
            assert_ne!(scene.left().await, Vec::<String>::new());
        }
    }
    let run = scene.run(120).await;
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(scene.left().await, Vec::<String>::new());
}
