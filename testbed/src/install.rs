//! What an installation of the platform puts into a cluster: CRDs, and the operator's permissions.

use std::time::Duration;

use fleet_operator_core::rbac::{self, LeasePlace, Permission};
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt as _};

use crate::control_plane::OPERATOR_USER;
use crate::error::Error;
use crate::grant::{Grant, MANAGER, allowed, apply};
use crate::testbed::Testbed;
use crate::wait;

/// A CRD is served, and a role in force, within a second; a busy machine takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
    #[error("the permissions of {0} are not in force")]
    NotInForce(String),
    /// The API server made no token.
    #[error("cannot make a token of {account}")]
    Token {
        /// Whose.
        account: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
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
        let grant = Grant {
            name: MANAGER,
            user: OPERATOR_USER,
            cluster_rules: rights.cluster_rules(),
            namespace: &rights.lease.namespace,
            rules: rights.lease_rules(),
        };
        grant.apply(&client).await?;
        let in_force = || is_in_force(&client, rights);
        if wait::until(PATIENCE, in_force).await {
            Ok(())
        } else {
            Err(InstallError::NotInForce(OPERATOR_USER.to_owned()).into())
        }
    }
}

/// Whether the authorizer, which follows the roles from a distance, has come to these.
async fn is_in_force(client: &kube::Client, rights: &OperatorRights) -> bool {
    for permission in rbac::permissions() {
        let question = permission.question(&rights.lease);
        let allowed = allowed(client, OPERATOR_USER, question).await;
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
