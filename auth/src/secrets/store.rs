//! Secrets and the `ConfigMap`. The API server settles who was first: a name is created once, and a
//! change carries the version that was read.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::steps::Mode;

/// Why the API server did not read or write an object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no place for it.
    #[error("there is no namespace {0}; make it with `kubectl create namespace {0}`")]
    NoNamespace(String),
    /// Others change the same object all the time.
    #[error("others change {0} all the time; run this again")]
    Restless(String),
    /// It said no, or nothing.
    #[error("failed to {operation} the {kind} {namespace}/{name}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Its kind.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
}

/// How often somebody else may be faster before somebody gives up. Whoever is faster has come further.
pub(crate) const ATTEMPTS: usize = 10;

const CREATE: &str = "create";

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// It is done.
    Done,
    /// Somebody was there first; nothing was written.
    Late,
}

/// Objects of one kind in one namespace.
pub(crate) struct Objects<K> {
    api: Api<K>,
    kind: &'static str,
    namespace: String,
    mode: Mode,
}

/// Where everything is kept.
pub(super) struct Store {
    pub(super) secrets: Objects<Secret>,
    pub(super) seals: Objects<Secret>,
    pub(super) maps: Objects<ConfigMap>,
}

impl Store {
    pub(super) fn new(client: &Client, namespace: &str, seals: &str, mode: Mode) -> Self {
        Self {
            secrets: Objects::new(client, "Secret", namespace, mode),
            seals: Objects::new(client, "Secret", seals, mode),
            maps: Objects::new(client, "ConfigMap", namespace, mode),
        }
    }
}

impl<K> Objects<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    pub(crate) fn new(client: &Client, kind: &'static str, namespace: &str, mode: Mode) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            kind,
            namespace: namespace.to_owned(),
            mode,
        }
    }

    /// `Secret fleet-system/fleet-auth-xkey`.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{} {}/{name}", self.kind, self.namespace)
    }

    pub(crate) async fn find(&self, name: &str) -> Result<Option<K>, StoreError> {
        let found = self.api.get_opt(name).await;
        found.map_err(|error| self.failed("read", name, error))
    }

    /// Reads an object and writes what follows from it, again for as long as somebody else was faster, which
    /// `settle` says with none.
    pub(crate) async fn settle<T, E: From<StoreError>>(
        &self,
        name: &str,
        attempts: usize,
        settle: impl AsyncFn(Option<K>) -> Result<Option<T>, E>,
    ) -> Result<T, E> {
        for _ in 0..attempts {
            if let Some(settled) = settle(self.find(name).await?).await? {
                return Ok(settled);
            }
        }
        Err(StoreError::Restless(self.path(name)).into())
    }

    pub(crate) async fn create(&self, name: &str, object: &K) -> Result<Write, StoreError> {
        let created = self.api.create(&self.params(), object).await;
        self.written(CREATE, name, created)
    }

    /// Replaces what was read, if nobody has changed it since.
    pub(crate) async fn replace(&self, name: &str, object: &K) -> Result<Write, StoreError> {
        let replaced = self.api.replace(name, &self.params(), object).await;
        self.written("change", name, replaced)
    }

    /// Planning asks the server, too: it then also says what it would refuse.
    fn params(&self) -> PostParams {
        PostParams {
            dry_run: self.mode == Mode::Plan,
            ..PostParams::default()
        }
    }

    fn written(
        &self,
        operation: &'static str,
        name: &str,
        outcome: kube::Result<K>,
    ) -> Result<Write, StoreError> {
        match outcome {
            Ok(_) => Ok(Write::Done),
            // "AlreadyExists" or "Conflict".
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Write::Late),
            // What is created is missing by nature.
            Err(kube::Error::Api(status)) if status.code == 404 && operation == CREATE => {
                Err(StoreError::NoNamespace(self.namespace.clone()))
            }
            Err(error) => Err(self.failed(operation, name, error)),
        }
    }

    fn failed(&self, operation: &'static str, name: &str, source: kube::Error) -> StoreError {
        StoreError::Failed {
            operation,
            kind: self.kind,
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            source: Box::new(source),
        }
    }
}

/// A Secret of ours.
pub(crate) fn secret(name: &str, data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: metadata(name),
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// A `ConfigMap` of ours.
pub(crate) fn config_map(name: &str, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: metadata(name),
        data: Some(data),
        ..ConfigMap::default()
    }
}

fn metadata(name: &str) -> ObjectMeta {
    let label = |key: &str, value: &str| (format!("app.kubernetes.io/{key}"), value.to_owned());
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(BTreeMap::from([
            label("managed-by", "fleet-auth"),
            label("part-of", "fleet-platform"),
        ])),
        ..ObjectMeta::default()
    }
}
