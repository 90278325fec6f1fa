//! An API server, two namespaces, and a service account that may do what `secrets ensure` needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fleet_auth::secrets::PUBLIC_NAME;
use fleet_auth::secrets::rbac::{GRANTS, Grant, Objects, Role as RoleKind, rules};
use fleet_rbac::Verb;
use fleet_testbed::{Testbed, wait};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding, RoleRef, Subject};
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::config::{AuthInfo, Kubeconfig};
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
        let scene = Self {
            kubeconfig: bed.folder().join("secrets.kubeconfig"),
            client,
            bed,
        };
        for namespace in [SYSTEM, OPENBAO] {
            scene.namespace(namespace).await;
        }
        let account = ServiceAccount {
            metadata: named(ACCOUNT),
            ..ServiceAccount::default()
        };
        make(Api::namespaced(scene.client(), SYSTEM), &account).await;
        for role in roles {
            scene.grant(role).await;
        }
        scene.log_in().await;
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
        let name = format!("{kind:?}").to_lowercase();
        let role = Role {
            metadata: named(&name),
            rules: Some(rules(kind)),
        };
        make(Api::namespaced(self.client(), namespace), &role).await;
        let binding = RoleBinding {
            metadata: named(&name),
            role_ref: RoleRef {
                api_group: Some("rbac.authorization.k8s.io".to_owned()),
                kind: "Role".to_owned(),
                name,
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: ACCOUNT.to_owned(),
                namespace: Some(SYSTEM.to_owned()),
                ..Subject::default()
            }]),
        };
        make(Api::namespaced(self.client(), namespace), &binding).await;
        for grant in GRANTS.iter().filter(|grant| grant.scope == kind) {
            for verb in grant.verbs {
                let given = || self.may(grant, *verb, namespace);
                assert!(wait::until(SOON, given).await, "never in force: {grant:?}");
            }
        }
    }

    async fn may(&self, grant: &Grant, verb: Verb, namespace: &str) -> bool {
        let name = match grant.names {
            Objects::Any => None,
            Objects::Keys | Objects::Kept => Some("fleet-auth-xkey".to_owned()),
            Objects::Public => Some(PUBLIC_NAME.to_owned()),
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user()),
                resource_attributes: Some(ResourceAttributes {
                    resource: Some(grant.resource.to_owned()),
                    verb: Some(verb.as_str().to_owned()),
                    namespace: Some(namespace.to_owned()),
                    name,
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client());
        let answer = reviews.create(&PostParams::default(), &review).await;
        answer.expect("an answer").status.is_some_and(|s| s.allowed)
    }

    /// Writes a kubeconfig with a token of the account.
    async fn log_in(&self) {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), SYSTEM);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec::default()),
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let token = accounts.create_token_request(ACCOUNT, &params, &request);
        let status = token.await.expect("a token").status;
        let token = status.and_then(|status| status.token).expect("a token");
        let admin = self.bed.kubeconfig().expect("a kubeconfig");
        let mut config = Kubeconfig::read_from(admin).expect("read");
        for user in &mut config.auth_infos {
            user.auth_info = Some(AuthInfo {
                token: Some(token.clone().into()),
                ..AuthInfo::default()
            });
        }
        fs::write(&self.kubeconfig, serde_json::to_vec(&config).expect("json")).expect("written");
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
