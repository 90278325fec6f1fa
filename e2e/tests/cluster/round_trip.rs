//! `helm test`: a device in a pod goes through the platform, and leaves nothing.

use std::fmt::Debug;

use fleet_api::{Deployment, Device, DeviceEnrolment};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::site::Site;

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
