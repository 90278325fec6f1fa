//! Services and people log in at OpenBao as themselves, and get what their role gives.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fleet_auth::bao::{BaoLogin, BaoSettings, Session, denials};
use fleet_testbed::{OpenBao, Testbed};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use kube::api::{ObjectMeta, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::tokens::token;
use crate::vault::{bao, call, provisioned};

const SOON: Duration = Duration::from_secs(60);

pub(crate) const NAMESPACE: &str = "fleet-system";
pub(crate) const CALLOUT: &str = "fleet-auth-callout";
pub(crate) const ENROL: &str = "fleet-auth-enrol";

/// Everything of a cluster that services log in with.
pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    client: Client,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).control_plane().openbao().idp();
        let bed = bed.start().await.expect("a testbed");
        let client = bed.kube_client().await.expect("a client");
        let scene = Self { bed, client };
        for namespace in [NAMESPACE, "elsewhere"] {
            let namespace = Namespace {
                metadata: named(namespace),
                ..Namespace::default()
            };
            let api = Api::all(scene.client.clone());
            api.create(&PostParams::default(), &namespace)
                .await
                .expect("made");
        }
        for (namespace, account) in [
            (NAMESPACE, CALLOUT),
            (NAMESPACE, ENROL),
            (NAMESPACE, "stranger"),
            ("elsewhere", CALLOUT),
        ] {
            scene.account(namespace, account).await;
        }
        scene
    }

    /// An account that may ask who a token is of. OpenBao in a pod asks with its own; here it is
    /// none, and asks with the one that it is shown.
    async fn account(&self, namespace: &str, name: &str) {
        let account = ServiceAccount {
            metadata: named(name),
            ..ServiceAccount::default()
        };
        let params = PostParams::default();
        let api = Api::namespaced(self.client.clone(), namespace);
        api.create(&params, &account).await.expect("made");
        let binding = ClusterRoleBinding {
            metadata: named(&format!("{namespace}-{name}")),
            role_ref: RoleRef {
                api_group: Some("rbac.authorization.k8s.io".to_owned()),
                kind: "ClusterRole".to_owned(),
                name: "system:auth-delegator".to_owned(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: name.to_owned(),
                namespace: Some(namespace.to_owned()),
                ..Subject::default()
            }]),
        };
        let api = Api::all(self.client.clone());
        api.create(&params, &binding).await.expect("made");
    }

    pub(crate) fn openbao(&self) -> &OpenBao {
        self.bed.openbao().expect("openbao")
    }

    /// A token of an account, as a pod has it.
    pub(crate) async fn token(&self, namespace: &str, account: &str) -> String {
        self.token_for(namespace, account, &[]).await
    }

    /// The same for somebody else than the API server.
    pub(crate) async fn token_for(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[&str],
    ) -> String {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audiences.iter().map(ToString::to_string).collect()),
                expiration_seconds: Some(600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = api.create_token_request(account, &params, &request).await;
        let status = answer.expect("a token").status;
        status.and_then(|status| status.token).expect("a token")
    }

    /// The certificate of the API server's authority as a file.
    pub(crate) fn cluster_ca(&self) -> PathBuf {
        use base64::Engine as _;
        let path = self.bed.kubeconfig().expect("a kubeconfig");
        let config = Kubeconfig::read_from(path).expect("read");
        let cluster = config.clusters[0].cluster.as_ref().expect("a cluster");
        let data = cluster.certificate_authority_data.as_ref().expect("a CA");
        let pem = base64::engine::general_purpose::STANDARD.decode(data);
        let path = self.bed.folder().join("cluster-ca.crt");
        fs::write(&path, pem.expect("base64")).expect("written");
        path
    }

    /// Provisions OpenBao for logins of both kinds.
    fn provision(&self) -> Vec<String> {
        let idp = self.bed.idp().expect("idp");
        let ca = self.cluster_ca();
        let claim = self.claim();
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        provisioned(
            self.openbao(),
            &[
                "--kubernetes-host",
                &self.bed.api_server().expect("a server").url(),
                "--kubernetes-ca-file",
                &text(&ca),
                "--namespace",
                NAMESPACE,
                "--jwt-issuer",
                &idp.issuer(),
                "--jwt-jwks-url",
                &format!("{}/oauth/v2/keys", idp.issuer()),
                "--jwt-ca-file",
                &text(idp.ca_file()),
                "--jwt-audience",
                idp.project(),
                "--jwt-claim",
                &claim,
            ],
        )
    }

    /// The role in the organisation, as Zitadel has it in a token.
    fn claim(&self) -> String {
        let idp = self.bed.idp().expect("idp");
        let list = idp.call("ListOrganizations", json!({})).expect("a list");
        let domain = list["result"][0]["primaryDomain"].as_str().expect("one");
        let (project, organisation) = (idp.project(), idp.organisation());
        let roles = format!("/urn:zitadel:iam:org:project:{project}:roles");
        format!("{roles}/fleet-admin/{organisation}={domain}")
    }

    /// Logs in; OpenBao's token, or what it said.
    pub(crate) fn log_in(&self, method: &str, role: &str, token: &str) -> Result<String, String> {
        let (path, role) = (format!("auth/{method}/login"), format!("role={role}"));
        let jwt = format!("jwt={token}");
        let answer = call(self.openbao(), "", &["write", &path, &role, &jwt])?;
        let token = answer["auth"]["client_token"].as_str();
        Ok(token.expect("a token").to_owned())
    }

    /// A session as a service has it in its pod.
    async fn pod(&self, account: &str, role: &str) -> Session {
        // One for the process; another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let token_file = self.bed.folder().join(account);
        fs::write(&token_file, self.token(NAMESPACE, account).await).expect("written");
        let settings = BaoSettings {
            address: self.openbao().url(),
            ca_file: Some(self.openbao().ca_file()),
            login: BaoLogin::Kubernetes {
                role: role.to_owned(),
                token_file,
            },
        };
        Session::open_with(&settings, SOON)
            .await
            .expect("logged in")
    }

    fn put(&self, token: &str, path: &str) -> Result<Value, String> {
        let put = ["kv", "put", "-mount=kv", path, "denied=yes"];
        call(self.openbao(), token, &put)
    }

    fn get(&self, token: &str, path: &str) -> Result<Value, String> {
        call(self.openbao(), token, &["read", &format!("kv/data/{path}")])
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn is_denied<T: std::fmt::Debug>(outcome: Result<T, String>) {
    let refused = outcome.expect_err("refused");
    assert!(refused.contains("permission denied"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_provisioning_changes_nothing_and_says_nothing_else() {
    let scene = Scene::start("bao-twice").await;
    let first = scene.provision();
    let whats = [
        "store kv",
        "policy fleet-callout",
        "policy fleet-enrol",
        "method kubernetes",
        "settings of auth/kubernetes",
        "role fleet-callout of auth/kubernetes",
        "role fleet-enrol of auth/kubernetes",
        "method jwt",
        "settings of auth/jwt",
        "role fleet-enrol of auth/jwt",
    ];
    let all = |outcome: &str| whats.map(|what| format!("{outcome:<9} {what}"));
    // OpenBao has that by its own configuration.
    assert_eq!(first[0], "unchanged audit log");
    assert!(
        first[1].starts_with("missing   recovery key: "),
        "{}",
        first[1]
    );
    assert_eq!(first[2..], all("created"));
    let before = writes(scene.openbao());
    assert!(before >= whats.len(), "{before}");
    let again = scene.provision();
    assert_eq!(again[2..], all("unchanged"));
    assert_eq!(writes(scene.openbao()), before, "nothing was written");

    // What somebody changed is put right, and nothing else.
    let path = "sys/policies/acl/fleet-callout";
    let everything = r#"policy=path "kv/*" { capabilities = ["read"] }"#;
    bao(
        scene.openbao(),
        &scene.openbao().provisioner(),
        &["write", path, everything],
    )
    .expect("written");
    let mut mended = again;
    "changed   policy fleet-callout".clone_into(&mut mended[3]);
    assert_eq!(scene.provision(), mended);
}

/// How many writes to what is provisioned OpenBao has recorded.
fn writes(server: &OpenBao) -> usize {
    let log = fs::read_to_string(server.audit_log()).expect("an audit log");
    let entries = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_write = |entry: &Value| {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let path = text("/request/path");
        let login = path.ends_with("/login") || path == "auth/token/revoke-self";
        entry["type"] == "request" && text("/request/operation") != "read" && !login
    };
    entries.filter(is_write).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_gets_what_its_service_needs_and_no_other_account_anything() {
    let scene = Scene::start("bao-kubernetes").await;
    scene.provision();
    let callout = scene.token(NAMESPACE, CALLOUT).await;
    let enrol = scene.token(NAMESPACE, ENROL).await;
    let log_in = |role: &str, token: &str| scene.log_in("kubernetes", role, token);
    let writer = log_in("fleet-enrol", &enrol).expect("logged in");
    let reader = log_in("fleet-callout", &callout).expect("logged in");
    // A device's record, and the list of denied devices beside it.
    for path in ["devices/dev-1", "devices/_denied"] {
        scene.put(&writer, path).expect("written");
        let record = scene.get(&reader, path).expect("read");
        assert_eq!(record["data"]["data"], json!({"denied": "yes"}));
    }
    // The callout denies clones that it finds, and decides nothing else about devices.
    is_denied(scene.put(&reader, "devices/dev-1"));
    scene.put(&reader, "devices/_denied").expect("written");
    for token in [&reader, &writer] {
        is_denied(scene.get(token, "other/dev-1"));
        is_denied(call(scene.openbao(), token, &["policy", "list"]));
        is_denied(call(
            scene.openbao(),
            token,
            &["kv", "delete", "-mount=kv", "devices/dev-1"],
        ));
    }
    // Each role is for one account of one namespace.
    let stranger = scene.token(NAMESPACE, "stranger").await;
    let namesake = scene.token("elsewhere", CALLOUT).await;
    for (role, token, reason) in [
        (
            "fleet-enrol",
            &callout,
            "service account name not authorized",
        ),
        (
            "fleet-callout",
            &enrol,
            "service account name not authorized",
        ),
        (
            "fleet-callout",
            &stranger,
            "service account name not authorized",
        ),
        ("fleet-callout", &namesake, "namespace not authorized"),
    ] {
        let refused = log_in(role, token).expect_err("refused");
        assert!(refused.contains(reason), "{role}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_enrolment_service_decides_the_callout_reads_each_by_its_pods_token() {
    let scene = Scene::start("bao-pods").await;
    scene.provision();
    let enrol = scene.pod(ENROL, "fleet-enrol").await;
    let callout = scene.pod(CALLOUT, "fleet-callout").await;
    let device = "dev-1".parse().expect("valid");
    denials::deny(&enrol, &device, "stolen")
        .await
        .expect("denied");
    let list = denials::denials(&callout).await.expect("read");
    assert!(list.devices.contains_key(&device));
    let error = denials::allow(&callout, &device)
        .await
        .expect_err("refused");
    let text = fleet_service::chain(&error);
    assert!(text.contains("permission denied"), "{text}");
    denials::allow(&enrol, &device).await.expect("allowed");
    let list = denials::denials(&callout).await.expect("read");
    assert!(!list.devices.contains_key(&device));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_the_role_may_write_policies_and_a_device_may_not() {
    let scene = Scene::start("bao-jwt").await;
    scene.provision();
    let idp = scene.bed.idp().expect("idp");
    let log_in = |token: &str| scene.log_in("jwt", "fleet-enrol", token);
    let admin = idp.machine("admin", &["fleet-admin"]).expect("a user");
    let admin = log_in(&token(idp, &admin, idp.project()).await).expect("logged in");
    scene.put(&admin, "devices/dev-1").expect("written");
    is_denied(scene.get(&admin, "other/dev-1"));

    let device = idp.machine("dev-1", &["device"]).expect("a user");
    let refused = log_in(&token(idp, &device, idp.project()).await).expect_err("refused");
    assert!(refused.contains("claim"), "the role is missing: {refused}");

    // The same role, in an organisation that anybody may have made.
    let other = idp.add_organisation("other").expect("made");
    let user = idp.machine_user_in(&other, "namesake", &["fleet-admin"]);
    let namesake = idp.make_key(&user.expect("a user")).expect("a key");
    let refused = log_in(&token(idp, &namesake, idp.project()).await).expect_err("refused");
    assert!(refused.contains("claim"), "another organisation: {refused}");

    let admin = idp.machine("admin-2", &["fleet-admin"]).expect("a user");
    let project = idp.add_project("another").expect("made");
    let refused = log_in(&token(idp, &admin, &project).await).expect_err("refused");
    assert!(refused.contains("aud"), "another audience: {refused}");
}
