//! What the enrolment service may do in the testbed's cluster, and as whom it speaks there.

use std::path::PathBuf;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::ENROLMENT_USER;
use crate::error::Error;
use crate::grant::Grant;
use crate::secret;
use crate::testbed::Testbed;

impl Testbed {
    /// Gives the service of [`start_enrolment`](Self::start_enrolment) what it needs: enrolments,
    /// and the enrolment tokens of this namespace, which is made if it is not there.
    ///
    /// # Errors
    /// When the testbed has no control plane, or that refuses.
    pub async fn grant_enrolment(&self, namespace: &str) -> Result<(), Error> {
        let client = self.kube_client().await?;
        let group = fleet_api::GROUP;
        let grant = Grant {
            name: ENROLMENT_USER,
            user: ENROLMENT_USER,
            cluster_rules: vec![
                rule(
                    group,
                    "deviceenrolments",
                    &["create", "get", "list", "watch", "delete"],
                ),
                rule(group, "deviceenrolments/status", &["update"]),
            ],
            namespace,
            rules: vec![
                rule("", "secrets", &["get", "update"]),
                rule(
                    "coordination.k8s.io",
                    "leases",
                    &["create", "get", "update"],
                ),
            ],
        };
        grant.apply(&client).await
    }

    /// The administrator's kubeconfig, speaking for the service's user.
    pub(super) fn enrolment_kubeconfig(&self) -> Result<PathBuf, Error> {
        let admin = self.kubeconfig()?;
        let file = |source| Error::File {
            path: admin.to_owned(),
            source,
        };
        let text = std::fs::read(admin).map_err(file)?;
        let mut config: Value = serde_json::from_slice(&text).map_err(|e| file(e.into()))?;
        let users = config["users"].as_array_mut();
        for user in users.into_iter().flatten() {
            user["user"]["as"] = json!(ENROLMENT_USER);
        }
        let path = admin.with_file_name("enrolment.kubeconfig");
        secret::write(&path, config.to_string().as_bytes()).map_err(file)?;
        Ok(path)
    }
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        ..PolicyRule::default()
    }
}
