//! An API server and an identity provider, and a service account that may do what `provision zitadel` needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fleet_keys::identity::{Given, rules};
use fleet_testbed::{Idp, Testbed};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const NAMESPACE: &str = "fleet-system";
pub(crate) const MAP: &str = "fleet-identity";
pub(crate) const TOKEN: &str = "fleet-idp-token";
const ACCOUNT: &str = "fleet-auth-zitadel";

/// As whom the API server knows it.
pub(crate) fn user() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
}

pub(crate) struct Cluster {
    pub(crate) bed: Testbed,
    client: Client,
    kubeconfig: PathBuf,
}

impl Cluster {
    pub(crate) async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).control_plane().idp().audit([user()]);
        let bed = bed.start().await.expect("a testbed");
        let client = bed.kube_client().await.expect("a client");
        let account = bed.account(NAMESPACE, ACCOUNT).await.expect("an account");
        let granted = account.grant(ACCOUNT, Some(NAMESPACE), rules(&Given::default()));
        granted.await.expect("granted");
        let kubeconfig = account.kubeconfig().await.expect("a kubeconfig");
        let cluster = Self {
            bed,
            client,
            kubeconfig,
        };
        cluster.credential(cluster.idp().admin_token());
        cluster
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.bed.idp().expect("idp")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bed.folder().join(name)
    }

    /// With which token it comes to the identity provider.
    pub(crate) fn credential(&self, token: &str) {
        fs::write(self.path("token"), token).expect("written");
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// `provision zitadel` as the Job of the chart runs it, to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-auth"));
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["provision", "zitadel", "--organisation-name", "fleet"])
            .args(["--oidc-issuer", &self.idp().issuer()])
            .arg("--oidc-ca-file")
            .arg(self.idp().ca_file())
            .arg("--idp-token-file")
            .arg(self.path("token"))
            .args(["--namespace", NAMESPACE, "--identity-map", MAP])
            .args(["--enrol-token-secret", TOKEN])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("run")
    }

    /// What it did, without ids; it must succeed. What it said beside is given, too.
    pub(crate) fn steps(&self, args: &[&str]) -> (Vec<String>, String) {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8(output.stdout).expect("text");
        let step = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        (text.lines().map(step).collect(), errors)
    }

    /// What it says; it must fail.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// The `ConfigMap`, with its version.
    pub(crate) async fn ids(&self) -> (BTreeMap<String, String>, String) {
        let map: ConfigMap = self.api().get(MAP).await.expect("the ConfigMap");
        let version = map.metadata.resource_version.expect("a version");
        (map.data.expect("entries"), version)
    }

    /// The Secret, with its version.
    pub(crate) async fn token(&self) -> (BTreeMap<String, String>, String) {
        let secret: Secret = self.api().get(TOKEN).await.expect("the Secret");
        let version = secret.metadata.resource_version.expect("a version");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let entries = secret.data.expect("entries").into_iter();
        let entries = entries.map(|(name, value)| (name, text(value.0)));
        (entries.collect(), version)
    }
}

pub(crate) async fn make<K>(api: Api<K>, object: &K)
where
    K: Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    api.create(&PostParams::default(), object)
        .await
        .expect("made");
}
