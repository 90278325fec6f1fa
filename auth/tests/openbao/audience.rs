//! Services log in with tokens that are for OpenBao and nobody else, and an installation of before goes over to
//! them in whatever order its parts are replaced.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fleet_auth::bao::{BaoLogin, BaoSettings, Session, denials};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::logins::{CALLOUT, ENROL, NAMESPACE, Scene};
use crate::vault::{bao, provisioned};

const SOON: Duration = Duration::from_secs(60);
const OPENBAO: &str = "openbao";
/// Whose token OpenBao asks the API server with, as that of its own pod.
const REVIEWER: &str = "stranger";

/// Sets up logins with accounts, for tokens of this audience; what changed.
async fn set_up(scene: &Scene, audience: Option<&str>) -> Vec<String> {
    let (host, ca) = (
        scene.bed.api_server().expect("a server").url(),
        scene.cluster_ca(),
    );
    let ca_path = ca.display().to_string();
    let mut args = vec!["--kubernetes-host", &host, "--kubernetes-ca-file", &ca_path];
    args.extend(["--namespace", NAMESPACE]);
    args.extend(
        audience
            .into_iter()
            .flat_map(|it| ["--kubernetes-audience", it]),
    );
    let steps = provisioned(scene.openbao(), &args);
    let jwt = scene.token(NAMESPACE, REVIEWER).await;
    let [host, ca, jwt] = [
        format!("kubernetes_host={host}"),
        format!("kubernetes_ca_cert=@{ca_path}"),
        format!("token_reviewer_jwt={jwt}"),
    ];
    let config = ["write", "auth/kubernetes/config", &host, &ca, &jwt];
    let login = scene.openbao().provisioner();
    bao(scene.openbao(), &login, &config).expect("configured");
    let changed = |step: &String| step.starts_with("changed ");
    steps.into_iter().filter(changed).collect()
}

/// How a pod of the callout logs in.
fn pod(scene: &Scene, token_file: PathBuf) -> BaoSettings {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    BaoSettings {
        address: scene.openbao().url(),
        ca_file: Some(scene.openbao().ca_file()),
        login: BaoLogin::Kubernetes {
            role: "fleet-callout".to_owned(),
            token_file,
        },
    }
}

async fn log_in(settings: &BaoSettings) -> Result<Session, String> {
    let session = Session::open_with(settings, SOON).await;
    session.map_err(|error| fleet_service::chain(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_something_at_openbao_or_at_the_api_server_and_never_at_both() {
    let scene = Scene::start("bao-audience").await;
    set_up(&scene, Some(OPENBAO)).await;
    let take = |role: &str, token: &str| scene.log_in("kubernetes", role, token);
    for (account, role) in [(CALLOUT, "fleet-callout"), (ENROL, "fleet-enrol")] {
        let own = scene.token_for(NAMESPACE, account, &[OPENBAO]).await;
        take(role, &own).expect("let in");
        // What every pod of the account has by default, and what is for another server.
        let account_token = scene.token(NAMESPACE, account).await;
        let for_others = scene.token_for(NAMESPACE, account, &["nats"]).await;
        for token in [&account_token, &for_others] {
            let refused = take(role, token).expect_err("refused");
            assert!(refused.contains("audience"), "{role}: {refused}");
        }
        // And whoever has OpenBao has nothing in the cluster.
        assert!(!is_known(&scene, &own).await, "{account}");
        assert!(is_known(&scene, &account_token).await, "{account}");
    }
    // The right audience does not make up for the wrong account.
    let other = scene.token_for(NAMESPACE, ENROL, &[OPENBAO]).await;
    take("fleet-callout", &other).expect_err("refused");
}

/// Whether the API server takes it.
async fn is_known(scene: &Scene, token: &str) -> bool {
    let path = scene.bed.kubeconfig().expect("a kubeconfig");
    let mut config = Kubeconfig::read_from(path).expect("read");
    for user in &mut config.auth_infos {
        user.auth_info = Some(AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        });
    }
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(config, &options).await;
    let client = Client::try_from(config.expect("a configuration")).expect("a client");
    client.apiserver_version().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_and_the_job_may_go_over_in_any_order_and_back() {
    let scene = Scene::start("bao-audience-order").await;
    set_up(&scene, None).await;
    let earlier = scene.token(NAMESPACE, CALLOUT).await;
    let own = scene.token_for(NAMESPACE, CALLOUT, &[OPENBAO]).await;
    let file = |name: &str, token: &str| {
        let path = scene.bed.folder().join(name);
        fs::write(&path, token).expect("written");
        path
    };
    let before = pod(&scene, file("earlier", &earlier));
    let after = pod(&scene, file("own", &own));
    let held = log_in(&before).await.expect("let in");
    // Pods first: a role of before takes a token whomever it is for.
    log_in(&after).await.expect("let in");
    let roles = ["fleet-callout", "fleet-enrol"];
    let changed = roles.map(|role| format!("changed   role {role} of auth/kubernetes"));
    assert_eq!(set_up(&scene, Some(OPENBAO)).await, changed);
    log_in(&after).await.expect("let in");
    // The Job first: whoever is logged in stays so, and its pod is replaced in time.
    denials::denials(&held).await.expect("read");
    log_in(&before).await.expect_err("refused");
    // The file is read at each login: nobody has to be started again for a newer token.
    file("earlier", &own);
    log_in(&before).await.expect("let in");
    assert_eq!(set_up(&scene, Some(OPENBAO)).await, Vec::<String>::new());
    // And back.
    assert_eq!(set_up(&scene, None).await, changed);
    let before = pod(&scene, file("earlier", &earlier));
    log_in(&before).await.expect("let in");
}
