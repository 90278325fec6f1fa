//! What the enrolment service may do in the testbed's cluster, and as whom it speaks there.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use serde_json::{Value, json};

use super::ENROLMENT_USER;
use crate::error::Error;
use crate::install::apply;
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
        let there = Namespace {
            metadata: named(namespace),
            ..Namespace::default()
        };
        apply(&Api::all(client.clone()), &there).await?;
        let group = fleet_api::GROUP;
        let role = ClusterRole {
            metadata: named(ENROLMENT_USER),
            rules: Some(vec![
                rule(
                    group,
                    "deviceenrolments",
                    &["create", "get", "list", "watch", "delete"],
                ),
                rule(group, "deviceenrolments/status", &["update"]),
            ]),
            ..ClusterRole::default()
        };
        apply(&Api::all(client.clone()), &role).await?;
        let binding = ClusterRoleBinding {
            metadata: named(ENROLMENT_USER),
            role_ref: role_ref("ClusterRole"),
            subjects: Some(vec![service()]),
        };
        apply(&Api::all(client.clone()), &binding).await?;
        let role = Role {
            metadata: named(ENROLMENT_USER),
            rules: Some(vec![
                rule("", "secrets", &["get", "update"]),
                rule(
                    "coordination.k8s.io",
                    "leases",
                    &["create", "get", "update"],
                ),
            ]),
        };
        apply(&Api::namespaced(client.clone(), namespace), &role).await?;
        let binding = RoleBinding {
            metadata: named(ENROLMENT_USER),
            role_ref: role_ref("Role"),
            subjects: Some(vec![service()]),
        };
        apply(&Api::namespaced(client, namespace), &binding).await
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
        name: ENROLMENT_USER.to_owned(),
    }
}

fn service() -> Subject {
    Subject {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: "User".to_owned(),
        name: ENROLMENT_USER.to_owned(),
        namespace: None,
    }
}
