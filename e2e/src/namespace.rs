//! What is in a cluster before Helm comes: the namespace, who is let in there, and Secrets.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::platform::expect;
use crate::{Error, scc};

/// Who writes what Helm does not.
const MANAGER: &str = "fleet-e2e";
/// For policies to take effect on a busy machine.
const POLICIES: Duration = Duration::from_secs(120);

/// What the namespace lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Kubernetes' Pod Security Standard "restricted", enforced.
    Restricted,
    /// The same, and OpenShift's restricted-v2: a user id of the namespace's range.
    RestrictedV2,
}

/// Makes the namespace, or gives it these rules.
///
/// # Errors
/// When the cluster refuses, or the rules do not come into force.
pub async fn make_namespace(
    client: &kube::Client,
    name: &str,
    admission: Admission,
) -> Result<(), Error> {
    let mut labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    if admission == Admission::RestrictedV2 {
        scc::install(client, scc::IdRange::default()).await?;
        let (key, value) = scc::NAMESPACE_LABEL;
        labels[key] = json!(value);
    }
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    });
    let api: Api<Namespace> = Api::all(client.clone());
    let params = PatchParams::apply(MANAGER).force();
    api.patch(name, &params, &Patch::Apply(&namespace))
        .await
        .map_err(Error::kube(format!("make namespace {name}")))?;
    match admission {
        Admission::Restricted => Ok(()),
        Admission::RestrictedV2 => wait_for_policies(client, name).await,
    }
}

/// Policies take effect a moment after they were made: when a pod of a foreign user is refused.
async fn wait_for_policies(client: &kube::Client, namespace: &str) -> Result<(), Error> {
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "foreign-"},
        "spec": {"containers": [{"name": "main", "image": "none", "securityContext": {
            "runAsUser": 1,
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }}]},
    });
    let foreign: Pod = serde_json::from_value(foreign)
        .map_err(|error| Error::Unexpected(format!("the foreign pod is none: {error}")))?;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let refused = || async {
        let answer = api.create(&dry_run, &foreign).await;
        answer.is_err_and(|error| error.to_string().contains("restricted-v2"))
    };
    expect(POLICIES, "restricted-v2 is in force".to_owned(), refused).await
}

/// Makes a Secret with one entry.
///
/// # Errors
/// When the cluster refuses.
pub async fn make_secret(
    client: &kube::Client,
    namespace: &str,
    name: &str,
    (key, content): (&str, Vec<u8>),
) -> Result<(), Error> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some([(key.to_owned(), ByteString(content))].into()),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(MANAGER).force();
    let made = api.patch(name, &params, &Patch::Apply(&secret)).await;
    made.map_err(Error::kube(format!("make Secret {name}")))?;
    Ok(())
}
