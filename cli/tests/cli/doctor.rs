//! `fleet doctor` on a real API server. What only a node can say is tried with real pods in `e2e/`.

use fleet_keys::catalogue::Name;
use fleet_keys::{KeyKind, SecretKey};
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::support::{Said, program, run};

const NAMESPACE: &str = "fleet-system";

/// A report as programs read it.
struct Report {
    code: i32,
    findings: Vec<Value>,
}

impl Report {
    fn of(said: &Said) -> Self {
        let report: Value = serde_json::from_str(&said.out).expect("JSON");
        let findings = report["findings"].as_array().expect("findings").clone();
        Self {
            code: said.code,
            findings,
        }
    }

    /// The findings with this word.
    fn with(&self, reason: &str) -> Vec<&Value> {
        let of_it = |finding: &&Value| finding["reason"] == reason;
        self.findings.iter().filter(of_it).collect()
    }

    /// The only one with this word.
    #[track_caller]
    fn one(&self, reason: &str) -> &Value {
        let found = self.with(reason);
        assert_eq!(found.len(), 1, "{reason}: {:#?}", self.findings);
        found[0]
    }

    fn severity(&self, check: &str) -> Vec<&str> {
        let of_it = self.findings.iter().filter(|f| f["check"] == check);
        of_it.filter_map(|f| f["severity"].as_str()).collect()
    }
}

fn doctor(bed: &Bed, args: &[&str]) -> Report {
    Report::of(&bed.fleet(&[&["doctor", "-o", "json"], args].concat()))
}

async fn create<K>(bed: &Bed, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let object: K = serde_json::from_value(object).expect("an object");
    let created = api.create(&PostParams::default(), &object).await;
    created.expect("created");
}

async fn namespace(bed: &Bed, labels: Value) {
    let api: Api<Namespace> = Api::all(bed.client.clone());
    let object = json!({"metadata": {"name": NAMESPACE, "labels": labels}});
    let object = serde_json::from_value(object).expect("a namespace");
    let created = api.create(&PostParams::default(), &object).await;
    created.expect("created");
}

/// An operator as nobody should install it: as root, in a namespace that forbids it.
fn careless_operator() -> Value {
    let labels =
        json!({"app.kubernetes.io/name": "fleet-operator", "app.kubernetes.io/version": "0.1.0"});
    json!({"metadata": {"name": "fleet-operator", "labels": labels}, "spec": {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "fleet-operator"}},
        "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "operator", "image": "registry.example/fleet-operator:0.1.0"}],
            "volumes": [
                {"name": "signing", "secret": {"secretName": Name::Manifest.secret(),
                    "items": [{"key": Name::Manifest.entry(), "path": "manifest.key"}]}},
                {"name": "nats", "secret": {"secretName": Name::Operator.secret(),
                    "items": [{"key": "seed", "path": "seed"}]}},
            ],
        }},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cluster_is_told_what_an_installation_will_miss() {
    let bed = Bed::empty("cli-doctor-empty").await;
    let report = doctor(&bed, &[]);
    assert_eq!(report.code, 0, "{:#?}", report.findings);
    assert_eq!(report.severity("api-server"), ["ok"]);
    assert_eq!(report.severity("permissions"), ["ok"]);
    assert_eq!(report.severity("definitions"), ["ok"]);
    let missing = report.one("NamespaceMissing");
    assert_eq!(missing["object"], "namespace/fleet-system");
    report.one("NoStorageClass");
    let awaited = report.one("SecretAwaited");
    let message = awaited["message"].as_str().expect("text");
    for name in Name::ALL {
        assert!(message.contains(name.secret()), "{message}");
    }
    assert!(message.contains("fleet-openbao-seal-1"), "{message}");
    let remedy = "fleet-auth secrets ensure --namespace fleet-system";
    assert_eq!(awaited["remedy"], remedy);

    // Who says that the platform should be there hears that it is not.
    let report = doctor(&bed, &["--after"]);
    assert_eq!(report.code, 1);
    assert_eq!(report.with("DefinitionMissing").len(), 3);
    report.one("NotInstalled");

    let table = bed.fleet(&["doctor"]).ok();
    assert!(table.starts_with("SEVERITY "), "{table}");
    assert!(table.contains("\nWhat to do:\n"), "{table}");
    assert!(table.contains(remedy), "{table}");
    assert!(
        table.contains("Namespace fleet-system: error 0, "),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_not_let_in_and_secrets_that_are_not_there_are_named() {
    let bed = Bed::installed("cli-doctor-refused").await;
    namespace(
        &bed,
        json!({"pod-security.kubernetes.io/enforce": "restricted"}),
    )
    .await;
    create::<Workload>(&bed, careless_operator()).await;
    // No controller looks at workloads here; with a node it says the same.
    let refused = json!({"status": {"conditions": [{"type": "ReplicaFailure", "status": "True",
        "reason": "FailedCreate", "message": "pods \"fleet-operator-1-\" is forbidden: violates \
            PodSecurity \"restricted:latest\": runAsNonRoot != true"}]}});
    let api: Api<Workload> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let (params, status) = (PatchParams::default(), Patch::Merge(refused));
    let patched = api.patch_status("fleet-operator", &params, &status).await;
    patched.expect("patched");

    let report = doctor(&bed, &[]);
    assert_eq!(report.code, 1);
    let finding = report.one("PodRefused");
    assert_eq!(finding["check"], "operator");
    let message = finding["message"].as_str().expect("text");
    assert!(
        message.contains("violates PodSecurity") && message.contains("runAsNonRoot"),
        "{message}"
    );
    let objects: Vec<_> = report.with("SecretMissing");
    let objects: Vec<_> = objects.iter().map(|f| f["object"].as_str()).collect();
    let expected = [
        "secret/fleet-operator-nats",
        "secret/fleet-operator-signing",
    ];
    assert_eq!(objects, expected.map(Some));
    let finding = report.with("SecretMissing")[0];
    let message = finding["message"].as_str().expect("text");
    assert!(
        message.contains("deployment/fleet-operator cannot start"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_compared_with_what_is_public_of_them_and_never_shown() {
    let bed = Bed::installed("cli-doctor-keys").await;
    namespace(&bed, json!({})).await;
    create::<Workload>(&bed, careless_operator()).await;
    let key = SecretKey::make(KeyKind::Manifest).expect("a key");
    let secret = |name: Name, entry: &str, text: &str| json!({"metadata": {"name": name.secret()}, "stringData": {entry: text}});
    create::<Secret>(&bed, secret(Name::Manifest, "manifest.key", key.expose())).await;
    // Whoever looked for the seed of another user put the wrong thing here.
    create::<Secret>(&bed, secret(Name::Operator, "seed", "SU-not-a-seed")).await;
    let public = |keys: &str| json!({"metadata": {"name": "fleet-public-keys"}, "data": {"manifest-keys": keys}});
    create::<ConfigMap>(&bed, public("somebody-elses")).await;

    let said = bed.fleet(&["doctor", "-o", "yaml"]);
    assert!(!said.out.contains(key.expose()), "a secret was shown");
    assert!(!said.out.contains("SU-not-a-seed"), "a secret was shown");
    let report = doctor(&bed, &[]);
    assert_eq!(report.code, 1);
    let broken = report.one("KeyUnusable");
    assert_eq!(broken["object"], "secret/fleet-operator-nats");
    let differ = report.one("PublicKeysDiffer");
    let message = differ["message"].as_str().expect("text");
    assert!(
        message.contains("manifest (fleet-operator-signing)"),
        "{message}"
    );

    let api: Api<ConfigMap> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let right = Patch::Merge(public(key.public()));
    api.patch("fleet-public-keys", &PatchParams::default(), &right)
        .await
        .expect("patched");
    let report = doctor(&bed, &[]);
    assert!(
        report.with("PublicKeysDiffer").is_empty(),
        "{:#?}",
        report.findings
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_in_trouble_is_counted() {
    let bed = Bed::installed("cli-doctor-fleet").await;
    for (name, stale) in [
        ("pi-1", "True"),
        ("pi-2", "True"),
        ("pi-3", "True"),
        ("pi-4", "False"),
    ] {
        bed.add_device(name, "lab", "False").await;
        let condition = json!({"type": "Stale", "status": stale, "reason": "HeartbeatMissed",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = Patch::Merge(json!({"status": {"conditions": [condition]}}));
        let params = PatchParams::default();
        let patched = bed.devices().patch_status(name, &params, &status).await;
        patched.expect("patched");
    }
    let web = [
        "--name",
        "web",
        "--selector",
        "site=lab",
        "--image",
        "registry.example/web:1",
    ];
    bed.fleet(&[&["deploy"], &web[..]].concat()).ok();
    let aggregate = json!({"matchedDeviceCount": 4, "succeeded": 1, "failed": 0, "pending": 1, "unreachable": 3});
    let status = json!({"observedGeneration": 1, "aggregate": aggregate});
    bed.set_status("web", &status).await;

    let report = doctor(&bed, &["--after"]);
    assert_eq!(report.code, 1);
    let stale = report.one("MostDevicesStale");
    assert_eq!(stale["message"], "3 of 4 devices not heard");
    let broken = report.one("CountsBroken");
    let object = "deployment.fleet.nationtech.io/default/web";
    assert_eq!(broken["object"], object);
    assert_eq!(report.severity("enrolments"), ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_unknown_and_not_well() {
    let bed = Bed::installed("cli-doctor-nobody").await;
    let server = bed.testbed.api_server().expect("a server");
    let mut command = program(env!("CARGO_BIN_EXE_fleet"));
    // Known to the server, and allowed nothing.
    command.env("KUBECONFIG", server.operator_kubeconfig());
    let report = Report::of(&run(command, ["doctor", "-o", "json", "--after"]));
    assert_eq!(report.code, 0, "{:#?}", report.findings);
    assert_eq!(report.severity("api-server"), ["ok"]);
    for check in [
        "namespace",
        "definitions",
        "storage",
        "public-keys",
        "operator",
        "nats",
        "devices",
        "deployments",
        "enrolments",
    ] {
        assert_eq!(report.severity(check), ["unknown"], "{check}");
    }
    let mut command = program(env!("CARGO_BIN_EXE_fleet"));
    command.env("KUBECONFIG", server.operator_kubeconfig());
    let report = Report::of(&run(command, ["doctor", "-o", "json", "--before"]));
    assert_eq!(report.code, 1);
    let message = report.one("NotAllowed")["message"].clone();
    let message = message.as_str().expect("text");
    assert!(
        message.contains("create customresourcedefinitions"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_a_finding_and_wrong_usage_is_none() {
    let bed = Bed::empty("cli-doctor-away").await;
    let server = bed.testbed.api_server().expect("a server");
    server.stop().await.expect("stopped");
    let report = doctor(&bed, &[]);
    assert_eq!(report.code, 1);
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    report.one("Unreachable");

    for args in [
        &["doctor", "--befor"][..],
        &["doctor", "--before", "--after"],
        &["-n", "x", "doctor", "y"],
    ] {
        let said = bed.fleet(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}");
        assert!(said.err.contains("Usage: fleet"), "{}", said.err);
    }
    // What is wrong elsewhere is what it was.
    bed.fleet(&["get", "doctor"]).failed();
}
