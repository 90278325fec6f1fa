//! An API server, two namespaces, and a service account that may do what `secrets ensure` needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fleet_auth::secrets::rbac::{Role as RoleKind, rules};
use fleet_testbed::Testbed;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const SYSTEM: &str = "fleet-system";
pub(crate) const OPENBAO: &str = "fleet-openbao";
pub(crate) const SOON: Duration = Duration::from_secs(60);
const ACCOUNT: &str = "fleet-secrets";

/// As whom the API server knows it.
pub(crate) fn user() -> String {
    format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}")
}

pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    pub(crate) client: Client,
    kubeconfig: PathBuf,
}

/// What is there: by namespace and name the version and all entries.
pub(crate) type Kept = BTreeMap<String, (String, BTreeMap<String, String>)>;

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        Self::with(name, [RoleKind::Ensure, RoleKind::Seal]).await
    }

    /// The same with these roles.
    pub(crate) async fn with<const N: usize>(name: &str, roles: [RoleKind; N]) -> Self {
        let bed = Testbed::builder(name).control_plane().audit([user()]);
        let bed = bed.start().await.expect("a testbed");
        let client = bed.kube_client().await.expect("a client");
        let account = bed.account(SYSTEM, ACCOUNT).await.expect("an account");
        let kubeconfig = account.kubeconfig().await.expect("a kubeconfig");
        let scene = Self {
            bed,
            client,
            kubeconfig,
        };
        scene.namespace(OPENBAO).await;
        for role in roles {
            scene.grant(role).await;
        }
        scene
    }

    fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let namespace = Namespace {
            metadata: named(name),
            ..Namespace::default()
        };
        make(Api::all(self.client()), &namespace).await;
    }

    /// Gives the account one of the roles, and waits until that is in force.
    pub(crate) async fn grant(&self, kind: RoleKind) {
        let namespace = match kind {
            RoleKind::Seal | RoleKind::Masterkey => OPENBAO,
            RoleKind::Ensure | RoleKind::Rotate => SYSTEM,
        };
        let account = self.bed.account(SYSTEM, ACCOUNT).await.expect("an account");
        let name = format!("{kind:?}").to_lowercase();
        let granted = account.grant(&name, Some(namespace), rules(kind)).await;
        granted.expect("granted");
    }

    /// `fleet-auth secrets ensure` as somebody, to be started.
    pub(crate) fn command_as(kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-auth"));
        command
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .args(["secrets", "ensure"])
            .args(args);
        command
    }

    /// The same as the account, in its namespaces.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Self::command_as(&self.kubeconfig, args);
        command.args(["--namespace", SYSTEM, "--openbao-namespace", OPENBAO]);
        command
    }

    /// Its lines; it must succeed.
    pub(crate) fn ensured(&self, args: &[&str]) -> Vec<String> {
        lines(&self.command(args).output().expect("run"))
    }

    /// What it says on standard error; it must fail.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("run");
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// Everything of ours in a namespace.
    pub(crate) async fn kept(&self, namespace: &str) -> Kept {
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(self.client(), namespace);
        let ours = |meta: &ObjectMeta| meta.name.clone().filter(|name| name.starts_with("fleet-"));
        let mut kept = Kept::new();
        for secret in secrets.list(&ListParams::default()).await.expect("Secrets") {
            let Some(name) = ours(&secret.metadata) else {
                continue;
            };
            let data = secret.data.unwrap_or_default().into_iter();
            let text = |bytes| String::from_utf8(bytes).expect("text");
            let data = data.map(|(key, value)| (key, text(value.0))).collect();
            let version = secret.metadata.resource_version.expect("a version");
            kept.insert(name, (version, data));
        }
        for map in maps.list(&ListParams::default()).await.expect("ConfigMaps") {
            let Some(name) = ours(&map.metadata) else {
                continue;
            };
            let version = map.metadata.resource_version.expect("a version");
            kept.insert(name, (version, map.data.unwrap_or_default()));
        }
        kept
    }
}

/// What a successful run printed.
pub(crate) fn lines(output: &Output) -> Vec<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
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
