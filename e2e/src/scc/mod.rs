//! OpenShift's restricted-v2 on a plain API server, as admission policies.
//!
//! OpenShift fills in user, group, seccomp profile and capabilities of a pod, and then checks it.
//! Here a `MutatingAdmissionPolicy` does the first and a `ValidatingAdmissionPolicy` the second,
//! for namespaces with the label [`NAMESPACE_LABEL`]. Kubernetes 1.36 has both kinds built in.
//!
//! It differs from OpenShift in this: there is one range for all namespaces; `SELinux` levels are
//! not filled in (nodes of the testbed have no `SELinux`); a pod is not matched with other
//! constraints that its service account may use; and ephemeral containers are checked, but not
//! filled in.

mod fill;
mod verify;

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::Error;

/// Namespaces with this label are treated as OpenShift would.
pub const NAMESPACE_LABEL: (&str, &str) = ("scc", "restricted-v2");

const NAME: &str = "scc-restricted-v2";
const API_VERSION: &str = "admissionregistration.k8s.io/v1";
const MANAGER: &str = "fleet-e2e";

/// The ids that OpenShift would give to the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first user id, and the only `fsGroup`.
    pub start: i64,
    /// How many user ids there are.
    pub size: i64,
}

impl Default for IdRange {
    fn default() -> Self {
        Self {
            start: 1_000_660_000,
            size: 10_000,
        }
    }
}

impl IdRange {
    const fn last(self) -> i64 {
        self.start + self.size - 1
    }
}

/// Puts the policies in force. They take effect within a second or so: wait for a pod that must
/// be refused.
///
/// # Errors
/// When the API server refuses an object.
pub async fn install(client: &Client, range: IdRange) -> Result<(), Error> {
    let bindings = json!({"policyName": NAME, "validationActions": ["Deny"]});
    for (kind, plural, spec) in [
        (
            "MutatingAdmissionPolicy",
            "mutatingadmissionpolicies",
            fill::policy(range),
        ),
        (
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            verify::policy(range),
        ),
        (
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
            json!({"policyName": NAME}),
        ),
        (
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            bindings,
        ),
    ] {
        apply(client, kind, plural, spec).await?;
    }
    Ok(())
}

async fn apply(client: &Client, kind: &str, plural: &str, spec: Value) -> Result<(), Error> {
    let resource = ApiResource {
        group: "admissionregistration.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: API_VERSION.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": NAME},
        "spec": spec,
    });
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let params = PatchParams::apply(MANAGER).force();
    api.patch(NAME, &params, &Patch::Apply(&object))
        .await
        .map_err(Error::kube(format!("apply the {kind} {NAME}")))?;
    Ok(())
}

/// The pods a policy is about.
fn constraints(operations: &[&str], resources: &[&str]) -> Value {
    let (label, value) = NAMESPACE_LABEL;
    json!({
        "namespaceSelector": {"matchLabels": {label: value}},
        "resourceRules": [{
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": operations,
            "resources": resources,
        }],
    })
}
