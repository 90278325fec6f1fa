//! What a program of ours may do in the testbed's cluster, as an installation would grant it.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
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
        let client = || client.clone();
        let namespace = self.namespace;
        let there = Namespace {
            metadata: metadata(namespace),
            ..Namespace::default()
        };
        apply(&Api::all(client()), &there).await?;
        let role = ClusterRole {
            metadata: metadata(self.name),
            rules: Some(self.cluster_rules.clone()),
            ..ClusterRole::default()
        };
        apply(&Api::all(client()), &role).await?;
        let binding = ClusterRoleBinding {
            metadata: metadata(self.name),
            role_ref: self.role_ref("ClusterRole"),
            subjects: Some(vec![self.subject()]),
        };
        apply(&Api::all(client()), &binding).await?;
        let role = Role {
            metadata: metadata(self.name),
            rules: Some(self.rules.clone()),
        };
        apply(&Api::namespaced(client(), namespace), &role).await?;
        let binding = RoleBinding {
            metadata: metadata(self.name),
            role_ref: self.role_ref("Role"),
            subjects: Some(vec![self.subject()]),
        };
        apply(&Api::namespaced(client(), namespace), &binding).await
    }

    fn role_ref(&self, kind: &str) -> RoleRef {
        RoleRef {
            api_group: Some(GROUP.to_owned()),
            kind: kind.to_owned(),
            name: self.name.to_owned(),
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            api_group: Some(GROUP.to_owned()),
            kind: "User".to_owned(),
            name: self.user.to_owned(),
            namespace: None,
        }
    }
}

fn metadata(name: &str) -> ObjectMeta {
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
