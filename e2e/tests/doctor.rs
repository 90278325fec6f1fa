//! `fleet doctor` before and after an installation with real pods: what it says of a platform that is
//! well, and of the mistakes that people make.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[allow(dead_code, reason = "the scenarios of `cluster` use the rest")]
#[path = "cluster/bed.rs"]
mod platform;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fleet_e2e::Installation;
use fleet_e2e::cluster::Cluster;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE, Wait};
use fleet_testbed::{Error, NodeError, Testbed, wait};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;

/// For a kubelet to try, and to try again what failed, on a busy machine.
const LIMIT: Duration = Duration::from_secs(150);
const SIGNING: &str = "fleet-operator-signing";

/// The program, pointed at a cluster.
struct Doctor {
    program: PathBuf,
    kubeconfig: PathBuf,
}

/// What it said.
#[derive(Debug)]
struct Report {
    code: i32,
    findings: Vec<Value>,
}

impl Report {
    fn with(&self, reason: &str) -> impl Iterator<Item = &Value> {
        let of_it = move |finding: &&Value| finding["reason"] == reason;
        self.findings.iter().filter(of_it)
    }

    /// Whether a finding of this word says this, and is about such an object.
    fn says(&self, reason: &str, object: &str, words: &str) -> bool {
        let field = |finding: &Value, name: &str| finding[name].as_str().unwrap_or("").to_owned();
        let mut of_it = self.with(reason);
        of_it.any(|f| field(f, "object").contains(object) && field(f, "message").contains(words))
    }

    fn severity(&self, check: &str) -> Vec<&str> {
        let of_it = self.findings.iter().filter(|f| f["check"] == check);
        of_it.filter_map(|f| f["severity"].as_str()).collect()
    }
}

impl Doctor {
    fn at(kubeconfig: &Path) -> Self {
        Self {
            program: fleet_testbed::program("fleet").expect("fleet is built"),
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    async fn asks(&self, args: &[&str]) -> Report {
        let done = Command::new(&self.program)
            .args(["doctor", "-n", NAMESPACE, "-o", "json"])
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .await
            .expect("fleet starts");
        let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        Report {
            code: done.status.code().expect("not killed"),
            findings: report["findings"].as_array().expect("findings").clone(),
        }
    }

    /// Asks until the report is so, and fails with the last one if it does not become so.
    async fn until(&self, what: &str, holds: impl Fn(&Report) -> bool) -> Report {
        let there = || async { holds(&self.asks(&[]).await) };
        let held = wait::until(LIMIT, there).await;
        let report = self.asks(&[]).await;
        assert!(held, "{what}: {report:#?}");
        report
    }
}

/// A cluster with a node, the namespace with its Secrets, and nothing installed; none where there is
/// no root, which is said.
async fn bed(name: &str) -> Option<(Testbed, Installation, Doctor)> {
    let bed = Testbed::builder(name)
        .control_plane()
        .node()
        .nats()
        .start()
        .await;
    let bed = match bed {
        Err(Error::Node(NodeError::NotRoot)) => {
            eprintln!("skipped: {name}: a node with real pods needs root");
            return None;
        }
        bed => bed.expect("a cluster"),
    };
    let cluster = Cluster::of_testbed(&bed).await.expect("an image");
    let admission = Admission::Restricted;
    let chart = Installation::prepare(&cluster, &bed, Major::Four, NAMESPACE, admission).await;
    let doctor = Doctor::at(bed.kubeconfig().expect("a kubeconfig"));
    Some((bed, chart.expect("a namespace with Secrets"), doctor))
}

/// Deletes a Secret, and gives it as it can be made again.
async fn taken(secrets: &Api<Secret>, name: &str) -> Secret {
    let mut secret = secrets.get(name).await.expect("the Secret");
    let deleted = secrets.delete(name, &DeleteParams::default()).await;
    deleted.expect("deleted");
    secret.metadata.resource_version = None;
    secret.metadata.uid = None;
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_what_is_mended_is_well() {
    let Some((bed, chart, doctor)) = bed("doctor-secret").await else {
        return;
    };
    let report = doctor.asks(&["--before"]).await;
    assert_eq!(report.code, 0, "{report:#?}");
    for check in ["api-server", "permissions", "namespace", "definitions"] {
        assert_eq!(report.severity(check), ["ok"], "{check}: {report:#?}");
    }
    assert!(report.says("Fine", "namespace/fleet-system", "`restricted`"));

    let client = bed.kube_client().await.expect("a client");
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let secret = taken(&secrets, SIGNING).await;
    chart.install(Wait::No, &[]).await.expect("installed");
    let report = doctor
        .until("the pod says what it waits for", |report| {
            report.says("WaitsForSecret", "pod/fleet-operator-", SIGNING)
        })
        .await;
    assert_eq!(report.code, 1);
    assert!(
        report.says(
            "SecretMissing",
            &format!("secret/{SIGNING}"),
            "deployment/fleet-operator"
        ),
        "{report:#?}"
    );

    let made = secrets.create(&PostParams::default(), &secret).await;
    made.expect("made");
    let report = doctor
        .until("it is well by itself", |report| {
            report.code == 0 && report.severity("operator") == ["ok"]
        })
        .await;
    for check in ["definitions", "storage", "secrets", "versions", "devices"] {
        assert_eq!(report.severity(check), ["ok"], "{check}: {report:#?}");
    }
    assert!(report.says("Fine", "deployment/fleet-operator", "1 of 1 ready, version"));
    let release = format!("Helm release {NAMESPACE}/fleet-operator");
    assert!(report.says("Fine", "", &release), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_image_and_a_pod_that_is_not_let_in_are_named() {
    let Some((_bed, chart, doctor)) = bed("doctor-image").await else {
        return;
    };
    let wrong = json!({"image": {"registry": "registry.invalid", "tag": "no-such-tag"}});
    let wrong = chart.with(&wrong);
    wrong.install(Wait::No, &[]).await.expect("installed");
    let report = doctor
        .until("the image is named", |report| {
            report.says("ImageNotPulled", "pod/", "registry.invalid/")
        })
        .await;
    assert_eq!(report.code, 1);

    // Pod Security does not let root in.
    let root = chart.with(&json!({"podSecurityContext": {"runAsUser": 0}}));
    root.upgrade(Wait::No).await.expect("upgraded");
    let report = doctor
        .until("the refusal is told", |report| {
            report.says(
                "PodRefused",
                "deployment/fleet-operator",
                "violates PodSecurity",
            )
        })
        .await;
    assert!(report.says("PodRefused", "", "runAsUser=0"), "{report:#?}");

    // The refusal that an Event remembers is not told any more.
    chart.upgrade(Wait::Yes).await.expect("upgraded");
    doctor
        .until("it is well", |report| {
            report.code == 0 && report.severity("operator") == ["ok"]
        })
        .await;
}

/// The checks of a platform whose bus, `OpenBao` and identity provider are elsewhere.
const PLATFORM: [&str; 7] = [
    "definitions",
    "secrets",
    "public-keys",
    "operator",
    "callout",
    "enrolment",
    "versions",
];

fn is_well(report: &Report) -> bool {
    let well = |check: &&str| {
        let found = report.severity(check);
        !found.is_empty() && found.iter().all(|severity| *severity == "ok")
    };
    report.code == 0 && PLATFORM.iter().all(well)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_of_pods_is_well_until_something_is_taken_from_it() {
    let Some(bed) = platform::Bed::start("doctor-platform", Major::Four).await else {
        return;
    };
    let doctor = Doctor::at(bed.parts.kubeconfig().expect("a kubeconfig"));
    bed.auth.install(Wait::No, &[]).await.expect("installed");
    bed.operator
        .install(Wait::No, &[])
        .await
        .expect("installed");
    doctor.until("it is well", is_well).await;

    // The callout waits for a key that somebody deleted.
    let secrets: Api<Secret> = bed.namespaced();
    let issuer = taken(&secrets, "fleet-auth-issuer").await;
    let pods: Api<Pod> = bed.namespaced();
    let callouts = ListParams::default().labels("app.kubernetes.io/component=callout");
    let deleted = pods
        .delete_collection(&DeleteParams::default(), &callouts)
        .await;
    deleted.expect("deleted");
    let report = doctor
        .until("the callout's pod says what it waits for", |report| {
            report.says(
                "WaitsForSecret",
                "pod/fleet-auth-callout-",
                "fleet-auth-issuer",
            )
        })
        .await;
    assert!(
        report.says("SecretMissing", "secret/fleet-auth-issuer", "callout"),
        "{report:#?}"
    );
    let remedy = report
        .with("SecretMissing")
        .next()
        .map(|f| f["remedy"].clone());
    let expected = format!("fleet-auth secrets ensure --namespace {NAMESPACE}");
    assert_eq!(remedy, Some(json!(expected)));
    let made = secrets.create(&PostParams::default(), &issuer).await;
    made.expect("made");
    doctor.until("it is well again", is_well).await;

    // Without a bus neither is ready, and says so.
    let nats = bed.parts.nats().expect("a bus");
    nats.stop().await.expect("stopped");
    let report = doctor
        .until("both are not ready", |report| {
            let not_ready = |pod: &str| report.says("NotReady", pod, "503");
            not_ready("pod/fleet-operator-") && not_ready("pod/fleet-auth-callout-")
        })
        .await;
    assert_eq!(report.code, 1);
    nats.start().await.expect("started");
    doctor.until("it is well again", is_well).await;

    // OpenShift gives the user id; who chooses one is not let in.
    let chosen = json!({"podSecurityContext": {"runAsUser": 1000}});
    let chosen = bed.operator.with(&chosen);
    chosen.upgrade(Wait::No).await.expect("upgraded");
    doctor
        .until("the refusal is told", |report| {
            report.says("PodRefused", "deployment/fleet-operator", "restricted-v2")
        })
        .await;
}
