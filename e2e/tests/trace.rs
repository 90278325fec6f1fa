//! `fleet trace`, asked through the API server's proxy: where a change is, and what it waits for.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use fleet_api::trace::{Trace, Verdict};
use fleet_e2e::platform::{Login, Place, Wanted, expect};
use fleet_e2e::{Error, Platform, workload};
use k8s_openapi::api::core::v1::{Endpoints, Namespace, Pod, Service};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(90);
const SYSTEM: &str = "fleet-system";
const SERVICE: &str = "fleet-operator-metrics";

/// What one run of the program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn fleet(platform: &Platform, args: &[&str]) -> Said {
    let program = fleet_testbed::program("fleet").expect("fleet is built");
    let run = Command::new(program)
        .args(args)
        .env("KUBECONFIG", platform.kubeconfig().expect("a kubeconfig"))
        .stdin(Stdio::null())
        .output();
    let done = run.await.expect("fleet starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: done.status.code(),
        out: text(&done.stdout),
        err: text(&done.stderr),
    }
}

async fn trace(platform: &Platform, deployment: &str, device: &str) -> Option<Trace> {
    let said = fleet(platform, &["trace", deployment, device, "-o", "json"]).await;
    serde_json::from_str(&said.out).ok()
}

/// Asks until the answer is so, and gives it; fails with the last text for people.
async fn until(
    platform: &Platform,
    (deployment, device): (&str, &str),
    holds: impl Fn(&Trace) -> bool,
) -> Trace {
    let so = || async {
        trace(platform, deployment, device)
            .await
            .is_some_and(|t| holds(&t))
    };
    let held = expect(LIMIT, "the answer".to_owned(), so).await;
    if held.is_err() {
        let said = fleet(platform, &["trace", deployment, device]).await;
        let operator = platform.operator().expect("a process").log();
        panic!("{said:#?}\n--- operator\n{operator}");
    }
    trace(platform, deployment, device)
        .await
        .expect("an answer")
}

async fn apply<K>(api: Api<K>, name: &str, object: Value)
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let params = PatchParams::apply("test").force();
    let applied = api.patch(name, &params, &Patch::Apply(&object)).await;
    applied.expect("applied");
}

/// The Service that the chart makes, and a pod in whose place the operator answers.
async fn serve(platform: &Platform, operator: SocketAddr) {
    let client = &platform.client;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}});
    apply::<Namespace>(Api::all(client.clone()), SYSTEM, namespace).await;
    let port = json!({"name": "metrics", "port": operator.port(), "protocol": "TCP"});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE},
        "spec": {"clusterIP": "None", "ports": [port]}});
    apply::<Service>(Api::namespaced(client.clone(), SYSTEM), SERVICE, service).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": SERVICE}, "spec": {
        "automountServiceAccountToken": false,
        "containers": [{"name": "operator", "image": "none.example/none"}]}});
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    // The account that pods run as comes a moment after the namespace.
    let made = || async {
        let made = pods.create(&PostParams::default(), &pod).await;
        made.is_ok()
            || pods
                .get_opt(SERVICE)
                .await
                .is_ok_and(|found| found.is_some())
    };
    let made = expect(LIMIT, "the pod is made".to_owned(), made).await;
    made.expect("a pod");
    let ip = operator.ip().to_string();
    let status = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
    let status = Patch::Merge(&status);
    let params = PatchParams::default();
    let known = pods.patch_status(SERVICE, &params, &status).await;
    known.expect("an address");
    // The API server's proxy reads these, and no EndpointSlices; it goes to addresses of pods alone.
    let target = json!({"kind": "Pod", "namespace": SYSTEM, "name": SERVICE});
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": SERVICE},
        "subsets": [{"addresses": [{"ip": ip, "targetRef": target}], "ports": [port]}]});
    apply::<Endpoints>(Api::namespaced(client.clone(), SYSTEM), SERVICE, endpoints).await;
}

async fn web(platform: &Platform, name: &str, site: &str, version: &str, port: u16) {
    let web = workload::web(name, ("site", site), version, port).expect("valid");
    platform.apply(&web).await.expect("applied");
}

async fn scenario(platform: &Platform) -> Result<(), Error> {
    for device in ["dev-1", "dev-2"] {
        platform.label(device, "site", Some("lab")).await?;
    }
    web(platform, "web", "lab", "v1", 8080).await;
    let before = fleet(platform, &["trace", "web", "dev-1"]).await;
    assert_eq!(before.code, Some(1), "{before:?}");
    assert!(before.err.contains("metrics.service.enabled"), "{before:?}");

    serve(platform, platform.operator()?.metrics_addr()).await;
    let applied = until(platform, ("web", "dev-1"), |t| {
        t.verdict == Verdict::Applied
    })
    .await;
    assert_eq!(applied.written.revision, applied.target.revision);
    assert_eq!(applied.seen.revision, applied.target.revision);
    let text = fleet(platform, &["trace", "web", "dev-1"]).await;
    assert!(text.out.contains("Verdict:    Applied"), "{text:?}");
    // The device says with a heartbeat which manifest it follows.
    until(platform, ("web", "dev-1"), |t| {
        t.heard.follows.is_some() && t.heard.follows == t.written.generation
    })
    .await;

    web(platform, "shop", "shop", "v1", 8081).await;
    let other = until(platform, ("shop", "dev-1"), |t| {
        t.verdict == Verdict::NotMatched
    })
    .await;
    let unmet = &other.target.unmet[0];
    assert_eq!(unmet.rule, "site=shop");
    assert_eq!(unmet.found.as_deref(), Some("lab"));
    let nobody = until(platform, ("web", "dev-9"), |t| {
        t.verdict == Verdict::DeviceUnknown
    });
    nobody.await;

    // No such image; the device cannot pull it from anywhere.
    web(platform, "web", "lab", "v9", 8080).await;
    let failed = until(platform, ("web", "dev-1"), |t| {
        t.verdict == Verdict::ApplyFailed
    })
    .await;
    assert_eq!(
        failed.reason.as_deref(),
        Some("ImageNotFound"),
        "{failed:?}"
    );
    let text = fleet(platform, &["trace", "web", "dev-1"]).await;
    assert!(text.out.contains("ApplyFailed (ImageNotFound)"), "{text:?}");

    platform.bed.device("dev-2")?.kill_agent().await?;
    web(platform, "web", "lab", "v2", 8080).await;
    let silent = until(platform, ("web", "dev-2"), |t| {
        t.verdict == Verdict::DeviceSilent
    })
    .await;
    assert_eq!(silent.written.revision, silent.target.revision);
    assert!(silent.heard.follows < silent.written.generation);
    until(platform, ("web", "dev-1"), |t| {
        t.verdict == Verdict::Applied
    })
    .await;

    // Whoever has not read the Deployment gets nothing, also not past the API server.
    let address = platform.operator()?.metrics_addr();
    let guess = "/trace/default/web/00000000-0000-0000-0000-000000000000/1/dev-1";
    assert_eq!(fleet_e2e::http::status(address, guess).await, Some(404));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_found_wherever_it_is() {
    let wanted = Wanted {
        name: "trace",
        devices: &["dev-1", "dev-2"],
        heartbeat: Some(1),
        operator: Place::Process,
        login: Login::StaticKeys,
    };
    let platform = Platform::start_wanted(wanted, |step| println!("{step}")).await;
    let platform = platform.expect("starts");
    if platform.bed.host_ip().is_loopback() {
        use std::io::Write as _;
        let mut stderr = std::io::stderr().lock();
        let why = "an API server proxies to no loopback address, and only root makes others";
        writeln!(stderr, "skipped: fleet trace: {why}").expect("standard error");
        return;
    }
    scenario(&platform).await.expect("the scenario");
}
