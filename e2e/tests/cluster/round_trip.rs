//! `helm test`: a device in a pod goes through the platform, and leaves nothing.

use std::fmt::Debug;

use fleet_api::{Deployment, Device, DeviceEnrolment};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::Wait;
use fleet_testbed::wait;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{ListParams, LogParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::own::{self, LIMIT};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn helm_3_tests_it_too_and_a_failure_takes_the_rights_away_and_keeps_the_words() {
    let Some(bed) = own::start("round-trip", Major::Three).await else {
        return;
    };
    bed.install().await;
    let before = present(&bed).await;
    passes_and_leaves_nothing(&bed).await;

    let without_callout =
        json!({"auth": {"callout": {"replicas": 0}}, "check": {"timeoutSeconds": 20}});
    let broken = bed.platform.with(&without_callout);
    broken.upgrade(Wait::Yes).await.expect("upgraded");
    let pods = bed.platform.pods_api();
    let callouts = ListParams::default().labels("app.kubernetes.io/component=callout");
    let gone = || async {
        pods.list(&callouts)
            .await
            .is_ok_and(|all| all.items.is_empty())
    };
    assert!(wait::until(LIMIT, gone).await, "the callout is still there");
    let failed = broken.test().await.expect_err("nobody lets devices in");
    assert!(failed.to_string().contains("fleet-check"), "{failed}");
    let mut with_pod = before.clone();
    with_pod.insert(0, format!("Pod {NAME}"));
    assert_eq!(present(&bed).await, with_pod, "only the pod stays");
    let said = pods.logs(NAME, &LogParams::default()).await.expect("a log");
    let step = said.lines().find(|line| line.starts_with("FAILED"));
    assert!(
        step.is_some_and(|line| line.contains("logs in to the bus")),
        "{said}"
    );

    bed.platform.upgrade(Wait::Yes).await.expect("upgraded");
    bed.wait_ready().await;
    bed.platform.test().await.expect("the round trip");
    assert_eq!(present(&bed).await, before, "the pod is gone, too");
}

/// Of all that a check makes, and that is made for it.
const NAME: &str = "fleet-check";
const TOKENS: &str = "fleet-enrolment";

/// Runs it, and asserts that everything is as it was before.
pub(crate) async fn passes_and_leaves_nothing(bed: &Site) {
    let before = present(bed).await;
    let tested = bed.platform.test().await;
    let said = match tested {
        Ok(said) => said,
        Err(error) => panic!("{error}\n{}", bed.told().await),
    };
    assert!(said.contains("Succeeded"), "{said}");
    assert!(
        said.contains("passed in "),
        "Helm shows what it said: {said}"
    );
    println!("{said}");
    assert_eq!(present(bed).await, before, "what is there after it");
}

/// What a check makes and what is made for it, by kind and name, and all tokens there are.
async fn present(bed: &Site) -> Vec<String> {
    let client = || bed.client.clone();
    let all = [
        of_check::<Pod>(bed.namespaced()).await,
        of_check::<ServiceAccount>(bed.namespaced()).await,
        of_check::<ClusterRole>(Api::all(client())).await,
        of_check::<ClusterRoleBinding>(Api::all(client())).await,
        of_check::<Role>(Api::all(client())).await,
        of_check::<RoleBinding>(Api::all(client())).await,
        of_check::<Deployment>(Api::all(client())).await,
        of_check::<Device>(Api::all(client())).await,
        named::<DeviceEnrolment>(Api::all(client())).await,
        named::<Secret>(Api::namespaced(client(), TOKENS)).await,
    ];
    all.concat()
}

async fn of_check<K>(api: Api<K>) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut names = named(api).await;
    names.retain(|name| name.contains(NAME));
    names
}

async fn named<K>(api: Api<K>) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let all = api.list(&ListParams::default()).await.expect("listed");
    let name = |object: &K| format!("{} {}", K::kind(&()), object.name_any());
    all.items.iter().map(name).collect()
}
