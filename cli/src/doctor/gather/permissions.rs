//! What this user may do, as an installation with Helm needs it.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::Asker;
use crate::doctor::facts::{Fact, Permission};

/// Groups and resources that the charts make in the namespace.
const IN_NAMESPACE: [(&str, &str); 12] = [
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("", "services"),
    ("", "configmaps"),
    ("", "serviceaccounts"),
    // Helm keeps what it installed as Secrets.
    ("", "secrets"),
    ("", "persistentvolumeclaims"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
];
/// The same of the cluster.
const IN_CLUSTER: [(&str, &str); 3] = [
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
];

impl Asker<'_> {
    pub(super) async fn permissions(&self, namespace: &str) -> Fact<Vec<Permission>> {
        let inside = IN_NAMESPACE.map(|what| (what, Some(namespace)));
        let outside = IN_CLUSTER.map(|what| (what, None));
        let asked = inside.into_iter().chain(outside);
        try_join_all(
            asked.map(|((group, resource), namespace)| self.may_create(group, resource, namespace)),
        )
        .await
    }

    async fn may_create(
        &self,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Fact<Permission> {
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            namespace: namespace.map(str::to_owned),
            verb: Some("create".to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                non_resource_attributes: None,
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.cluster.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|e| self.unread("this user's own rights", e))?;
        Ok(Permission {
            what: format!("create {resource}"),
            allowed: answer.status.is_some_and(|status| status.allowed),
        })
    }
}
