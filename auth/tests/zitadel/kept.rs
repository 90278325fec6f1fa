//! What came of it is in the cluster: the ids for everybody, the token for the enrolment service.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use fleet_keys::identity::{GRANTS, Given};
use fleet_testbed::{Administrator, Endpoint, Fault, Mismatch, wait};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, MAP, NAMESPACE, TOKEN, make};

const SOON: Duration = Duration::from_secs(60);

/// The last of what it does, which is all that this is about.
const KEPT: [&str; 4] = [
    "ConfigMap fleet-system/fleet-identity",
    "user fleet-enrolment",
    "role ORG_USER_MANAGER of fleet-enrolment",
    "Secret fleet-system/fleet-idp-token",
];

fn last(steps: &[String]) -> Vec<&str> {
    let from = steps.len() - KEPT.len();
    steps[from..].iter().map(String::as_str).collect()
}

fn all(outcome: &str) -> Vec<String> {
    KEPT.iter()
        .map(|what| format!("{outcome:<9} {what}"))
        .collect()
}

/// How many tokens the enrolment service's user has.
fn tokens(cluster: &Cluster) -> usize {
    let call = |method: &str, request| cluster.idp().call(method, request).expect(method);
    let query = json!({"userNameQuery": {"userName": "fleet-enrolment"}});
    let users = call("ListUsers", json!({"queries": [query]}));
    let Some(user) = users["result"][0]["userId"].as_str() else {
        return 0;
    };
    let filter = json!({"filters": [{"userIdFilter": {"id": user}}]});
    let listed = call("ListPersonalAccessTokens", filter);
    listed["result"].as_array().map_or(0, Vec::len)
}

/// Whether the token lets its holder make a user, and not a project.
async fn manages_users(cluster: &Cluster, token: &str) -> (bool, bool) {
    let idp = cluster.idp();
    let pem = std::fs::read(idp.ca_file()).expect("a CA");
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let http = reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy();
    let http = http.build().expect("a client");
    let may = async |call: &str, request: Value| {
        let post = http.post(format!("{}/{call}", idp.issuer()));
        let post = post
            .header("content-type", "application/json")
            .bearer_auth(token);
        let answer = post
            .body(request.to_string())
            .send()
            .await
            .expect("an answer");
        answer.status().is_success()
    };
    let name = fastrand::u64(..).to_string();
    let user = json!({
        "organizationId": idp.organisation(), "username": name, "machine": {"name": name},
    });
    let project = json!({"organizationId": idp.organisation(), "name": name});
    (
        may("zitadel.user.v2.UserService/CreateUser", user).await,
        may("zitadel.project.v2.ProjectService/CreateProject", project).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_others_must_know_is_kept_and_a_second_run_changes_nothing() {
    let cluster = Cluster::start("zitadel-kept").await;
    let (plan, _) = cluster.steps(&["--plan"]);
    assert_eq!(last(&plan)[0], all("created")[0]);
    assert_eq!(last(&plan)[3], all("created")[3]);
    assert_eq!(tokens(&cluster), 0, "only planned");
    let maps = cluster.api::<ConfigMap>();
    assert!(maps.get_opt(MAP).await.expect("asked").is_none());

    let (first, said) = cluster.steps(&[]);
    assert_eq!(last(&first), all("created"));
    let idp = cluster.idp();
    let (ids, version) = cluster.ids().await;
    assert_eq!(ids["issuer"], idp.issuer());
    assert_eq!(ids["organisation"], idp.organisation());
    assert_eq!(ids["project"], idp.project());
    let clients = idp.call(
        "ListApplications",
        json!({"filters": [{"projectIdFilter": {"projectId": idp.project()}}]}),
    );
    let clients = clients.expect("applications").to_string();
    assert!(clients.contains(&ids["client-id"]), "{clients}");

    let (secret, secret_version) = cluster.token().await;
    let token = &secret["token"];
    assert_eq!(manages_users(&cluster, token).await, (true, false));
    assert!(!first.concat().contains(token) && !said.contains(token));
    assert!(ids.values().all(|value| value != token));

    for args in [&[][..], &["--plan"], &[]] {
        let (again, _) = cluster.steps(args);
        assert!(
            again.iter().all(|step| step.starts_with("unchanged ")),
            "{again:?}"
        );
    }
    assert_eq!(cluster.ids().await, (ids, version));
    assert_eq!(cluster.token().await, (secret, secret_version));
    assert_eq!(tokens(&cluster), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_do_what_it_needs_and_nothing_else() {
    let cluster = Cluster::start("zitadel-kept-rights").await;
    cluster.steps(&[]);
    // An id of before, and a token that the provider no longer has.
    change(&cluster).await;
    cluster.steps(&[]);
    let requests = cluster.bed.api_server().expect("a server").audited();
    let requests = requests.expect("an audit log");
    let mismatch = Mismatch::between(&requests, GRANTS, &Given::default(), |()| Some(NAMESPACE));
    assert_eq!(mismatch, Mismatch::default());
}

/// Somebody else's ids, and a token whose id the provider does not know.
async fn change(cluster: &Cluster) {
    let apply = |data: Value| Patch::Merge(data);
    let params = PatchParams::default();
    let data = json!({"data": {"project": "1", "note": "of somebody"}});
    let maps = cluster.api::<ConfigMap>();
    maps.patch(MAP, &params, &apply(data))
        .await
        .expect("patched");
    let id = json!({"stringData": {"token-id": "17"}});
    let secrets = cluster.api::<Secret>();
    secrets
        .patch(TOKEN, &params, &apply(id))
        .await
        .expect("patched");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_changed_is_said_and_a_token_that_is_gone_is_replaced() {
    let cluster = Cluster::start("zitadel-kept-change").await;
    cluster.steps(&[]);
    let (before, _) = cluster.token().await;
    change(&cluster).await;
    let (steps, said) = cluster.steps(&[]);
    assert_eq!(last(&steps)[0], all("changed")[0]);
    assert_eq!(last(&steps)[3], all("changed")[3]);
    let project = cluster.idp().project();
    for word in [
        "WARN",
        "project",
        "before=\"1\"",
        project,
        "restart what reads it",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (ids, _) = cluster.ids().await;
    assert_eq!(ids["project"], project);
    assert_eq!(ids["note"], "of somebody", "what others wrote stays");
    let (after, _) = cluster.token().await;
    assert_ne!(after["token"], before["token"]);
    assert_eq!(
        manages_users(&cluster, &after["token"]).await,
        (true, false)
    );
    // The one of before is taken back at once: nobody could say that it is still needed.
    assert_eq!(
        manages_users(&cluster, &before["token"]).await,
        (false, false)
    );
    assert_eq!(tokens(&cluster), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_makes_every_token_before_worthless() {
    let cluster = Cluster::start("zitadel-kept-renew").await;
    cluster.steps(&[]);
    let (before, _) = cluster.token().await;
    let secrets = cluster.api::<Secret>();
    let deleted = secrets.delete(TOKEN, &DeleteParams::default()).await;
    deleted.expect("deleted");
    let (steps, _) = cluster.steps(&[]);
    assert_eq!(last(&steps)[3], all("created")[3]);
    let (after, _) = cluster.token().await;
    assert_eq!(
        manages_users(&cluster, &after["token"]).await,
        (true, false)
    );
    assert_eq!(
        manages_users(&cluster, &before["token"]).await,
        (false, false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_somebody_brought_is_left_alone_with_all_that_belongs_to_it() {
    let cluster = Cluster::start("zitadel-kept-brought").await;
    let data = [("token".to_owned(), ByteString(b"mine".to_vec()))];
    let own = Secret {
        metadata: ObjectMeta {
            name: Some(TOKEN.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data.into()),
        ..Secret::default()
    };
    make(cluster.api(), &own).await;
    let (steps, _) = cluster.steps(&[]);
    assert_eq!(
        steps.last().map(String::as_str),
        Some(all("unchanged")[3].as_str())
    );
    assert_eq!(tokens(&cluster), 0);
    assert_eq!(cluster.token().await.0["token"], "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_provider_that_starts_and_says_for_what() {
    let cluster = Cluster::start("zitadel-kept-wait").await;
    cluster.idp().inject(Fault::Status(503));
    let mut child = cluster.command(&["--wait", "120"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("started");
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    assert!(line.contains("waiting for the identity provider"), "{line}");
    assert!(line.contains("503"), "{line}");
    cluster.idp().heal();
    let status = child.wait().expect("ended");
    let mut rest = String::new();
    errors.read_to_string(&mut rest).expect("text");
    assert!(status.success(), "{rest}");
    // The same is said once.
    assert!(!rest.contains("waiting"), "{rest}");
    cluster.ids().await;

    // Without patience it says what it would have waited for.
    cluster.idp().inject(Fault::Status(503));
    let error = cluster.refused(&[]);
    assert!(
        error.contains("discovery") && error.contains("503"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_taken_is_named_and_nothing_is_kept() {
    let cluster = Cluster::start("zitadel-kept-refused").await;
    cluster.credential("nobodys");
    let error = cluster.refused(&["--wait", "120"]);
    let file = cluster.path("token");
    let reason = "the identity provider does not take the token in";
    assert!(error.contains(reason), "{error}");
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert!(!error.contains("nobodys"), "{error}");
    // Of one who may manage users only: what it may not is named.
    let idp = cluster.idp();
    let user = idp.machine_user("provisioner", &[]).expect("a user");
    let token = idp.make_administrator(&user, Administrator::Users);
    cluster.credential(&token.expect("a token"));
    let error = cluster.refused(&[]);
    assert!(
        error.contains("UpdateProject") && error.contains("403"),
        "{error}"
    );
    assert!(
        cluster
            .api::<ConfigMap>()
            .get_opt(MAP)
            .await
            .expect("asked")
            .is_none()
    );
    assert!(
        cluster
            .api::<Secret>()
            .get_opt(TOKEN)
            .await
            .expect("asked")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_issuer_than_the_one_that_was_named_is_said_at_once() {
    let cluster = Cluster::start("zitadel-kept-issuer").await;
    let issuer = cluster.idp().issuer();
    let mut command = cluster.command(&["--idp-url", &issuer, "--wait", "120"]);
    // The last one counts.
    command.args(["--idp-host", &format!("{}:7", host(&issuer))]);
    let output = command.output().expect("run");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("calls itself") && error.contains(&issuer),
        "{error}"
    );
}

fn host(issuer: &str) -> &str {
    let address = issuer.trim_start_matches("https://");
    address.split(':').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_call_there_is_one_token_in_the_end_and_it_is_the_one_that_is_kept() {
    let cluster = Cluster::start("zitadel-kept-deaths").await;
    let idp = cluster.idp();
    // Slow enough to be killed while it waits for an answer.
    let slow = Fault::Slow(Duration::from_millis(100));
    idp.inject_at(Endpoint::Management, slow);
    let mut deaths = 0;
    loop {
        let before = idp.requests(Endpoint::Management);
        let mut child = cluster.command(&[]);
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("started");
        let reached = || async { idp.requests(Endpoint::Management) > before + deaths };
        let far = wait::until(SOON / 10, reached).await;
        child.kill().expect("killed");
        child.wait().expect("gone");
        if !far {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 8, "{deaths}");
    idp.heal();
    cluster.steps(&[]);
    assert_eq!(tokens(&cluster), 1);
    let (secret, _) = cluster.token().await;
    assert_eq!(
        manages_users(&cluster, &secret["token"]).await,
        (true, false)
    );
}
