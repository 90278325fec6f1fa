//! An API server and an identity provider, and a service account that may do what `provision zitadel` needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fleet_keys::identity::{GRANTS, Given, Objects, rules};
use fleet_testbed::{Idp, Testbed, wait};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding, RoleRef, Subject};
use kube::api::{ObjectMeta, PostParams};
use kube::config::{AuthInfo, Kubeconfig};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const NAMESPACE: &str = "fleet-system";
pub(crate) const MAP: &str = "fleet-identity";
pub(crate) const TOKEN: &str = "fleet-idp-token";
const ACCOUNT: &str = "fleet-auth-zitadel";
const SOON: Duration = Duration::from_secs(60);

/// As whom the API server knows it.
pub(crate) fn user() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
}

pub(crate) struct Cluster {
    pub(crate) bed: Testbed,
    client: Client,
}

impl Cluster {
    pub(crate) async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).control_plane().idp().audit([user()]);
        let bed = bed.start().await.expect("a testbed");
        let client = bed.kube_client().await.expect("a client");
        let cluster = Self { bed, client };
        let namespace = Namespace {
            metadata: named(NAMESPACE),
            ..Namespace::default()
        };
        make(Api::all(cluster.client.clone()), &namespace).await;
        let account = ServiceAccount {
            metadata: named(ACCOUNT),
            ..ServiceAccount::default()
        };
        make(cluster.api(), &account).await;
        cluster.grant().await;
        cluster.log_in().await;
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

    /// The account may do this and no more; waits until that is in force.
    async fn grant(&self) {
        let role = Role {
            metadata: named(ACCOUNT),
            rules: Some(rules(&Given::default())),
        };
        make(self.api(), &role).await;
        let binding = RoleBinding {
            metadata: named(ACCOUNT),
            role_ref: RoleRef {
                api_group: Some("rbac.authorization.k8s.io".to_owned()),
                kind: "Role".to_owned(),
                name: ACCOUNT.to_owned(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: ACCOUNT.to_owned(),
                namespace: Some(NAMESPACE.to_owned()),
                ..Subject::default()
            }]),
        };
        make(self.api(), &binding).await;
        for grant in GRANTS {
            let name = match grant.names {
                Objects::Any => None,
                Objects::Map => Some(MAP),
                Objects::Token => Some(TOKEN),
            };
            for verb in grant.verbs {
                let given = || self.may(grant.resource, verb.as_str(), name);
                assert!(wait::until(SOON, given).await, "never in force: {grant:?}");
            }
        }
    }

    async fn may(&self, resource: &str, verb: &str, name: Option<&str>) -> bool {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user()),
                resource_attributes: Some(ResourceAttributes {
                    resource: Some(resource.to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: Some(NAMESPACE.to_owned()),
                    name: name.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        answer.expect("an answer").status.is_some_and(|s| s.allowed)
    }

    /// Writes a kubeconfig with a token of the account.
    async fn log_in(&self) {
        let accounts: Api<ServiceAccount> = self.api();
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
        let text = serde_json::to_vec(&config).expect("json");
        fs::write(self.path("job.kubeconfig"), text).expect("written");
    }

    /// `provision zitadel` as the Job of the chart runs it, to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-auth"));
        command
            .env("KUBECONFIG", self.path("job.kubeconfig"))
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

fn named(name: &str) -> ObjectMeta {
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
