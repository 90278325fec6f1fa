//! What an installation of the platform puts into a cluster: CRDs, and the operator's permissions.

use std::fmt::Debug;
use std::time::Duration;

use fleet_operator_core::rbac::{self, LeasePlace, Permission};
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control_plane::OPERATOR_USER;
use crate::error::Error;
use crate::testbed::Testbed;
use crate::wait;

/// Our field manager, and the name of the roles and their bindings.
const MANAGER: &str = "fleet-testbed";
/// A CRD is served, and a role in force, within a second; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why something could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The types form no CRDs.
    #[error(transparent)]
    Crds(#[from] fleet_api::CrdError),
    /// The API server refused an object.
    #[error("cannot apply {kind} {name}")]
    Apply {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A CRD was taken, and yet its objects cannot be listed.
    #[error("the API server does not serve {0}")]
    NotServed(String),
    /// The roles were taken, and yet the authorizer decides otherwise.
    #[error("the operator's permissions are not in force")]
    NotInForce,
}

/// What the operator may do: by default exactly the product's grants.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorRights {
    lease: LeasePlace,
    denied: Vec<Permission>,
}

impl Default for OperatorRights {
    fn default() -> Self {
        Self {
            lease: LeasePlace {
                namespace: "default".to_owned(),
                name: rbac::DEFAULT_LEASE.to_owned(),
            },
            denied: Vec::new(),
        }
    }
}

impl OperatorRights {
    /// With the Lease in this namespace, which is made if it is not there.
    #[must_use]
    pub fn lease_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.lease.namespace = namespace.into();
        self
    }

    /// With this name of the Lease.
    #[must_use]
    pub fn lease_name(mut self, name: impl Into<String>) -> Self {
        self.lease.name = name.into();
        self
    }

    /// Without one permission: to see what the operator says then.
    #[must_use]
    pub fn without(mut self, permission: Permission) -> Self {
        self.denied.push(permission);
        self
    }

    fn cluster_rules(&self) -> Vec<PolicyRule> {
        self.reduced(rbac::cluster_rules())
    }

    fn lease_rules(&self) -> Vec<PolicyRule> {
        self.reduced(rbac::lease_rules(&self.lease.name))
    }

    fn reduced(&self, mut rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
        for denied in &self.denied {
            let full = denied.grant.policy_rule(&self.lease.name);
            let same = |rule: &&mut PolicyRule| {
                rule.api_groups == full.api_groups
                    && rule.resources == full.resources
                    && rule.resource_names == full.resource_names
            };
            for rule in rules.iter_mut().filter(same) {
                rule.verbs.retain(|verb| verb != denied.verb.as_str());
            }
        }
        // A rule without verbs is no rule.
        rules.retain(|rule| !rule.verbs.is_empty());
        rules
    }
}

impl Testbed {
    /// Installs our CRDs, and waits until their objects can be listed.
    ///
    /// # Errors
    /// When the testbed has no control plane, or that refuses.
    pub async fn install_crds(&self) -> Result<(), Error> {
        let client = self.kube_client().await?;
        for crd in fleet_api::crds().map_err(InstallError::from)? {
            apply(&Api::all(client.clone()), &crd).await?;
            let paths = served_paths(&crd);
            let served = || async {
                for path in &paths {
                    let request = http::Request::get(path).body(Vec::new());
                    let Ok(request) = request else { return false };
                    if client.request_text(request).await.is_err() {
                        return false;
                    }
                }
                true
            };
            if !wait::until(PATIENCE, served).await {
                return Err(InstallError::NotServed(crd.name_any()).into());
            }
        }
        Ok(())
    }

    /// Gives the operator of [`start_operator`](Self::start_operator) these rights and no others;
    /// what it had before is taken away.
    ///
    /// # Errors
    /// When the testbed has no control plane, or that refuses.
    pub async fn grant_operator(&self, rights: &OperatorRights) -> Result<(), Error> {
        let client = self.kube_client().await?;
        let namespace = rights.lease.namespace.as_str();
        let there = Namespace {
            metadata: named(namespace),
            ..Namespace::default()
        };
        apply(&Api::all(client.clone()), &there).await?;
        let role = ClusterRole {
            metadata: named(MANAGER),
            rules: Some(rights.cluster_rules()),
            ..ClusterRole::default()
        };
        apply(&Api::all(client.clone()), &role).await?;
        let binding = ClusterRoleBinding {
            metadata: named(MANAGER),
            role_ref: role_ref("ClusterRole"),
            subjects: Some(vec![operator()]),
        };
        apply(&Api::all(client.clone()), &binding).await?;
        let role = Role {
            metadata: named(MANAGER),
            rules: Some(rights.lease_rules()),
        };
        apply(&Api::namespaced(client.clone(), namespace), &role).await?;
        let binding = RoleBinding {
            metadata: named(MANAGER),
            role_ref: role_ref("Role"),
            subjects: Some(vec![operator()]),
        };
        apply(&Api::namespaced(client.clone(), namespace), &binding).await?;
        let in_force = || is_in_force(&client, rights);
        if wait::until(PATIENCE, in_force).await {
            Ok(())
        } else {
            Err(InstallError::NotInForce.into())
        }
    }
}

/// Whether the authorizer, which follows the roles from a distance, has come to these.
async fn is_in_force(client: &kube::Client, rights: &OperatorRights) -> bool {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    for permission in rbac::permissions() {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(OPERATOR_USER.to_owned()),
                resource_attributes: Some(permission.question(&rights.lease)),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &review).await;
        let allowed = answer.ok().and_then(|a| a.status).map(|s| s.allowed);
        if allowed != Some(!rights.denied.contains(&permission)) {
            return false;
        }
    }
    true
}

/// Where the objects of a CRD are listed, in each of its served versions.
fn served_paths(crd: &CustomResourceDefinition) -> Vec<String> {
    let (group, plural) = (&crd.spec.group, &crd.spec.names.plural);
    let versions = crd.spec.versions.iter().filter(|version| version.served);
    versions
        .map(|version| format!("/apis/{group}/{}/{plural}?limit=1", version.name))
        .collect()
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn role_ref(kind: &str) -> RoleRef {
    RoleRef {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: kind.to_owned(),
        name: MANAGER.to_owned(),
    }
}

fn operator() -> Subject {
    Subject {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: "User".to_owned(),
        name: OPERATOR_USER.to_owned(),
        namespace: None,
    }
}

pub(crate) async fn apply<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.name_any();
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&name, &params, &Patch::Apply(object)).await;
    applied.map(drop).map_err(|source| {
        let kind = K::kind(&()).into_owned();
        let source = Box::new(source);
        InstallError::Apply { kind, name, source }.into()
    })
}
