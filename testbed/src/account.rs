//! Service accounts of the testbed's cluster: programs run as one to be tried with the rights that an
//! installation gives them.

use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Subject};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::error::Error;
use crate::grant::{Grantee, allowed, apply, make_namespace, metadata};
use crate::install::{InstallError, PATIENCE};
use crate::testbed::Testbed;
use crate::wait;

/// Longer than any test.
const TOKEN_SECONDS: i64 = 3600;

/// A service account, which may do what it was granted and nothing else.
#[derive(Debug)]
pub struct Account<'a> {
    bed: &'a Testbed,
    namespace: String,
    name: String,
}

impl Testbed {
    /// A service account of this name; it and its namespace are made if they are not there.
    ///
    /// # Errors
    /// When the testbed has no control plane, or that refuses.
    pub async fn account(&self, namespace: &str, name: &str) -> Result<Account<'_>, Error> {
        let client = self.kube_client().await?;
        make_namespace(&client, namespace).await?;
        let account = ServiceAccount {
            metadata: metadata(name),
            ..ServiceAccount::default()
        };
        apply(&Api::namespaced(client, namespace), &account).await?;
        Ok(Account {
            bed: self,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl Account<'_> {
    /// What the API server calls it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// Grants it these rules by a role of this name: in a namespace, which is made if it is not there, or
    /// everywhere. Comes back when they are in force.
    ///
    /// # Errors
    /// When the API server refuses, or does not come to them.
    pub async fn grant(
        &self,
        role: &str,
        namespace: Option<&str>,
        rules: Vec<PolicyRule>,
    ) -> Result<(), Error> {
        let client = self.bed.kube_client().await?;
        let asked: Vec<_> = rules
            .iter()
            .flat_map(|rule| questions(rule, namespace))
            .collect();
        let grantee = Grantee {
            role,
            subject: Subject {
                kind: "ServiceAccount".to_owned(),
                name: self.name.clone(),
                namespace: Some(self.namespace.clone()),
                api_group: None,
            },
        };
        match namespace {
            Some(namespace) => grantee.within(&client, namespace, rules).await?,
            None => grantee.everywhere(&client, rules).await?,
        }
        let user = self.user();
        if wait::until(PATIENCE, || all_allowed(&client, &user, &asked)).await {
            Ok(())
        } else {
            Err(InstallError::NotInForce(user).into())
        }
    }

    /// Writes a kubeconfig with a token of the account.
    ///
    /// # Errors
    /// When the API server makes no token, or the file cannot be written.
    pub async fn kubeconfig(&self) -> Result<PathBuf, Error> {
        let token = self.token().await?;
        let admin = self.bed.kubeconfig()?;
        let path = self.bed.folder().join(format!("{}.kubeconfig", self.name));
        let file = |source| Error::File {
            path: path.clone(),
            source,
        };
        let text = fs::read(admin).map_err(file)?;
        let mut config: Value = serde_json::from_slice(&text).map_err(|e| file(e.into()))?;
        for user in config["users"].as_array_mut().into_iter().flatten() {
            user["user"] = json!({"token": token});
        }
        fs::write(&path, config.to_string()).map_err(file)?;
        Ok(path)
    }

    async fn token(&self) -> Result<String, Error> {
        let client = self.bed.kube_client().await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &self.namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let made = accounts.create_token_request(&self.name, &params, &request);
        let made = made.await.map_err(|source| InstallError::Token {
            account: self.user(),
            source: Box::new(source),
        })?;
        Ok(made.status.unwrap_or_default().token.unwrap_or_default())
    }
}

/// One question for each thing that a rule allows.
fn questions(rule: &PolicyRule, namespace: Option<&str>) -> Vec<ResourceAttributes> {
    let groups = rule.api_groups.iter().flatten();
    let resources = groups.flat_map(|group| {
        let resources = rule.resources.iter().flatten();
        resources.map(move |resource| (group, resource))
    });
    let asked = resources.flat_map(|(group, resource)| {
        rule.verbs.iter().map(move |verb| {
            let (resource, subresource) = match resource.split_once('/') {
                Some((resource, below)) => (resource, Some(below.to_owned())),
                None => (resource.as_str(), None),
            };
            ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.clone()),
                namespace: namespace.map(str::to_owned),
                name: rule.resource_names.iter().flatten().next().cloned(),
                ..ResourceAttributes::default()
            }
        })
    });
    asked.collect()
}

async fn all_allowed(client: &Client, user: &str, asked: &[ResourceAttributes]) -> bool {
    for question in asked {
        if allowed(client, user, question.clone()).await != Some(true) {
            return false;
        }
    }
    true
}
