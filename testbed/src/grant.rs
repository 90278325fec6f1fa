//! What a program of ours may do in the testbed's cluster, as an installation would grant it.

use std::fmt::Debug;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::install::InstallError;

/// Our field manager.
pub(crate) const MANAGER: &str = "fleet-testbed";
const GROUP: &str = "rbac.authorization.k8s.io";

/// All that one user may do.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    /// The name of roles and bindings.
    pub(crate) name: &'a str,
    /// Whose they are.
    pub(crate) user: &'a str,
    /// What it may do everywhere.
    pub(crate) cluster_rules: Vec<PolicyRule>,
    /// Where it may do the rest; made if it is not there.
    pub(crate) namespace: &'a str,
    /// The rest.
    pub(crate) rules: Vec<PolicyRule>,
}

impl Grant<'_> {
    /// Gives exactly this; what the same name had before is taken away.
    pub(crate) async fn apply(&self, client: &Client) -> Result<(), Error> {
        let grantee = Grantee {
            role: self.name,
            subject: Subject {
                api_group: Some(GROUP.to_owned()),
                kind: "User".to_owned(),
                name: self.user.to_owned(),
                namespace: None,
            },
        };
        let (rules, everywhere) = (self.rules.clone(), self.cluster_rules.clone());
        grantee.everywhere(client, everywhere).await?;
        grantee.within(client, self.namespace, rules).await
    }
}

/// Somebody who is granted something by a role of this name.
pub(crate) struct Grantee<'a> {
    /// The name of role and binding.
    pub(crate) role: &'a str,
    /// Who.
    pub(crate) subject: Subject,
}

impl Grantee<'_> {
    /// In all namespaces.
    pub(crate) async fn everywhere(
        &self,
        client: &Client,
        rules: Vec<PolicyRule>,
    ) -> Result<(), Error> {
        let role = ClusterRole {
            metadata: metadata(self.role),
            rules: Some(rules),
            ..ClusterRole::default()
        };
        apply(&Api::all(client.clone()), &role).await?;
        let binding = ClusterRoleBinding {
            metadata: metadata(self.role),
            role_ref: self.role_ref("ClusterRole"),
            subjects: Some(vec![self.subject.clone()]),
        };
        apply(&Api::all(client.clone()), &binding).await
    }

    /// In one namespace, which is made if it is not there.
    pub(crate) async fn within(
        &self,
        client: &Client,
        namespace: &str,
        rules: Vec<PolicyRule>,
    ) -> Result<(), Error> {
        make_namespace(client, namespace).await?;
        let role = Role {
            metadata: metadata(self.role),
            rules: Some(rules),
        };
        apply(&Api::namespaced(client.clone(), namespace), &role).await?;
        let binding = RoleBinding {
            metadata: metadata(self.role),
            role_ref: self.role_ref("Role"),
            subjects: Some(vec![self.subject.clone()]),
        };
        apply(&Api::namespaced(client.clone(), namespace), &binding).await
    }

    fn role_ref(&self, kind: &str) -> RoleRef {
        RoleRef {
            api_group: Some(GROUP.to_owned()),
            kind: kind.to_owned(),
            name: self.role.to_owned(),
        }
    }
}

pub(crate) async fn make_namespace(client: &Client, name: &str) -> Result<(), Error> {
    let namespace = Namespace {
        metadata: metadata(name),
        ..Namespace::default()
    };
    apply(&Api::all(client.clone()), &namespace).await
}

/// Whether the authorizer lets a user do something; none if it does not say.
pub(crate) async fn allowed(
    client: &Client,
    user: &str,
    question: ResourceAttributes,
) -> Option<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(question),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    answer.ok()?.status.map(|status| status.allowed)
}

pub(crate) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
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
