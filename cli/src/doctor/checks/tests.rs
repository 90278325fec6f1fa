//! A platform that is well, and everything that can be wrong with it, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{Deployment, Device, DeviceEnrolment};
use fleet_keys::catalogue::{
    ACCOUNTS_ENTRY, ISSUER_ENTRY, MANIFEST_KEYS_ENTRY, Name, PUBLIC_NAME, XKEY_ENTRY,
};
use jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Stage, diagnose};
use crate::doctor::facts::*;
use crate::doctor::finding::{Check, Finding, Reason, Severity};

const NAMESPACE: &str = "fleet-system";
const PARTS: [(Component, &str, &str); 6] = [
    (Component::Operator, "deployment", "fleet-operator"),
    (Component::Callout, "deployment", "fleet-auth-callout"),
    (Component::Enrolment, "deployment", "fleet-auth-enrolment"),
    (Component::Nats, "statefulset", "nats"),
    (Component::OpenBao, "statefulset", "openbao"),
    (Component::Zitadel, "deployment", "zitadel"),
];

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("a time")
}

fn secret_name(name: &str) -> SecretName {
    SecretName {
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

fn labels(component: Component) -> BTreeMap<String, String> {
    let (name, part) = match component {
        Component::Operator => ("fleet-operator", ""),
        Component::Callout => ("fleet-auth", "callout"),
        Component::Enrolment => ("fleet-auth", "enrolment"),
        Component::AuthJob => ("fleet-auth", "secrets"),
        Component::Provision => ("fleet-auth", "openbao"),
        Component::Identity => ("fleet-auth", "zitadel"),
        Component::Nats => ("nats", ""),
        Component::OpenBao => ("openbao", ""),
        Component::Zitadel => ("zitadel", ""),
    };
    let label = |name: &str, value: &str| (format!("app.kubernetes.io/{name}"), value.to_owned());
    BTreeMap::from([label("name", name), label("component", part)])
}

fn workload(component: Component, kind: &'static str, name: &str) -> Workload {
    let key = match component {
        Component::Operator => Some((Name::Manifest.secret(), Name::Manifest.entry())),
        Component::Callout => Some((Name::Issuer.secret(), Name::Issuer.entry())),
        _ => None,
    };
    let secrets = key.into_iter().flat_map(|(secret, entry)| {
        let name = secret_name(secret);
        [(name.clone(), None), (name, Some(entry.to_owned()))]
    });
    Workload {
        kind,
        namespace: NAMESPACE.into(),
        name: name.into(),
        component,
        version: Some("0.1.0".into()),
        wanted: 1,
        ready: 1,
        refused: None,
        secrets: secrets.collect(),
        config_maps: match component {
            Component::Nats => BTreeSet::from([PUBLIC_NAME.to_owned()]),
            _ => BTreeSet::new(),
        },
    }
}

fn pod(component: Component, workload: &str) -> Pod {
    Pod {
        namespace: NAMESPACE.into(),
        name: format!("{workload}-0"),
        labels: labels(component),
        ready: true,
        since: Some(now() - SignedDuration::from_hours(1)),
        containers: vec![Container {
            name: "main".into(),
            image: "registry.example/main:0.1.0".into(),
            ..Container::default()
        }],
        ..Pod::default()
    }
}

fn definition(name: &str) -> Definition {
    Definition {
        name: name.into(),
        served: BTreeSet::from(["v1alpha1".into()]),
        established: true,
        version: Some("0.1.0".into()),
        owner: Some("Helm release fleet-system/fleet".into()),
    }
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn device(name: &str, agent: &str, conditions: &[(&str, &str)]) -> Device {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(kind, status)| condition(kind, status, "Some", ""))
        .collect();
    object(
        json!({"apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device", "metadata": {"name": name},
        "spec": {"inventory": {"agentVersion": agent}}, "status": {"conditions": conditions}}),
    )
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn deployment(counts: [i64; 4], observed: i64, conditions: &[Value]) -> Deployment {
    let [matched, succeeded, failed, pending] = counts;
    object(
        json!({"apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 2},
        "spec": {"score": {"PodmanV0": {"services": [{"name": "web", "image": "i"}]}}},
        "status": {"observedGeneration": observed, "conditions": conditions, "aggregate": {
            "matchedDeviceCount": matched, "succeeded": succeeded, "failed": failed, "pending": pending}}}),
    )
}

fn enrolment(decision: Option<&str>, conditions: &[Value]) -> DeviceEnrolment {
    let mut spec = json!({"publicKey": "", "fingerprint": "", "deviceId": "pi-9", "tokenId": ""});
    if let Some(decision) = decision {
        spec["approval"] = json!({"decision": decision});
    }
    object(
        json!({"apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "DeviceEnrolment",
        "metadata": {"name": "a".repeat(40), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec, "status": {"conditions": conditions}}),
    )
}

fn key_secret(key: Name) -> (SecretName, Fact<Option<SecretFacts>>) {
    let entry = Entry::Key(format!("public-of-{key}"));
    let entries = BTreeMap::from([(key.entry().to_owned(), entry)]);
    (secret_name(key.secret()), Ok(Some(SecretFacts { entries })))
}

fn public_keys() -> BTreeMap<String, String> {
    let accounts: Vec<_> = Name::ALL
        .iter()
        .map(|key| format!("public-of-{key}"))
        .collect();
    BTreeMap::from([
        (ISSUER_ENTRY.into(), "public-of-issuer".into()),
        (XKEY_ENTRY.into(), "public-of-xkey".into()),
        (MANIFEST_KEYS_ENTRY.into(), "public-of-manifest".into()),
        (ACCOUNTS_ENTRY.into(), accounts.join(" ")),
    ])
}

/// Everything there, and everything well.
fn well() -> Snapshot {
    let devices = (1..=10).map(|n| device(&format!("pi-{n}"), "0.1.0", &[("Stale", "False")]));
    Snapshot {
        now: now(),
        program: "0.1.0".into(),
        url: "https://cluster.example:6443".into(),
        namespace: NAMESPACE.into(),
        openbao_namespace: NAMESPACE.into(),
        server: Ok("v1.36.0".into()),
        openshift: Ok(false),
        permissions: Ok(vec![Permission {
            what: "create deployments".into(),
            allowed: true,
        }]),
        found_namespace: Ok(Some(NamespaceFacts::default())),
        definitions: Ok(vec![
            definition(Deployment::crd_name()),
            definition(Device::crd_name()),
            definition(DeviceEnrolment::crd_name()),
        ]),
        storage_classes: Ok(BTreeMap::from([("local".into(), true)])),
        claims: Ok(vec![Claim {
            namespace: NAMESPACE.into(),
            name: "data-nats-0".into(),
            bound: true,
            class: None,
        }]),
        secrets: Name::ALL.map(key_secret).into(),
        public_keys: Ok(Some(public_keys())),
        workloads: Ok(PARTS.map(|(c, kind, name)| workload(c, kind, name)).into()),
        pods: Ok(PARTS.map(|(c, _, name)| pod(c, name)).into()),
        events: Ok(vec![]),
        devices: Ok(devices.collect()),
        deployments: Ok(vec![deployment([3, 1, 1, 1], 2, &[])]),
        enrolments: Ok(vec![enrolment(Some("Approved"), &[])]),
    }
}

/// The first pod of a part, which is no longer ready.
fn unready(snapshot: &mut Snapshot, component: Component) -> &mut Pod {
    let workloads = snapshot.workloads.as_mut().expect("known").iter_mut();
    for workload in workloads.filter(|w| w.component == component) {
        workload.ready = 0;
    }
    let mut pods = snapshot.pods.as_mut().expect("known").iter_mut();
    let pod = pods.find(|pod| Component::of(&pod.labels) == Some(component));
    let pod = pod.expect("a pod");
    pod.ready = false;
    pod
}

fn waits(snapshot: &mut Snapshot, reason: &str, message: &str) {
    let pod = unready(snapshot, Component::Operator);
    pod.containers[0].waits = Some((reason.into(), message.into()));
}

fn event(kind: &str, name: &str, reason: &str, message: &str) -> Event {
    Event {
        kind: kind.into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
        reason: reason.into(),
        message: message.into(),
        at: Some(now()),
    }
}

fn operator(snapshot: &mut Snapshot) -> &mut Workload {
    &mut snapshot.workloads.as_mut().expect("known")[0]
}

fn forbidden<T>() -> Fact<T> {
    Err(Unread {
        what: "this".into(),
        why: Why::Forbidden,
    })
}

fn failed<T>() -> Fact<T> {
    Err(Unread {
        what: "this".into(),
        why: Why::Failed("no answer".into()),
    })
}

/// What is broken, the only word for it that is no good news, and what it is about.
type Case = (&'static str, Stage, fn(&mut Snapshot), Reason, &'static str);

const AFTER: Stage = Stage::After;
const BEFORE: Stage = Stage::Before;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("nothing", AFTER, |_| {}, Reason::Fine, ""),
    ("away", AFTER, |s| s.server = failed(), Reason::Unreachable, ""),
    ("old", AFTER, |s| s.server = Ok("v1.29.15+k3s1".into()), Reason::ServerTooOld, ""),
    ("not allowed", BEFORE, |s| s.permissions = Ok(vec![Permission { what: "create roles".into(), allowed: false }]), Reason::NotAllowed, ""),
    ("may not read", AFTER, |s| s.devices = forbidden(), Reason::NotPermitted, ""),
    ("no answer", AFTER, |s| s.definitions = failed(), Reason::Unreadable, ""),
    ("no namespace", BEFORE, |s| s.found_namespace = Ok(None), Reason::NamespaceMissing, "namespace/fleet-system"),
    ("going", AFTER, |s| s.found_namespace = Ok(Some(NamespaceFacts { ending: true, ..NamespaceFacts::default() })), Reason::NamespaceEnding, "namespace/fleet-system"),
    ("a definition less", AFTER, |s| { s.definitions.as_mut().expect("known").pop(); }, Reason::DefinitionMissing, "deviceenrolments"),
    ("not served", AFTER, |s| s.definitions.as_mut().expect("known")[1].served = BTreeSet::from(["v1".into()]), Reason::DefinitionNotServed, "customresourcedefinition/devices"),
    ("not established", AFTER, |s| s.definitions.as_mut().expect("known")[0].established = false, Reason::DefinitionNotServed, "customresourcedefinition/deployments"),
    ("two owners", AFTER, |s| s.definitions.as_mut().expect("known")[0].owner = None, Reason::DefinitionOwners, ""),
    ("no class", BEFORE, |s| s.storage_classes = Ok(BTreeMap::from([("slow".into(), false)])), Reason::NoStorageClass, ""),
    ("two classes", BEFORE, |s| s.storage_classes = Ok(BTreeMap::from([("a".into(), true), ("b".into(), true)])), Reason::SeveralStorageClasses, ""),
    ("no volume", AFTER, |s| s.claims.as_mut().expect("known")[0].bound = false, Reason::ClaimPending, "persistentvolumeclaim/data-nats-0"),
    ("no keys yet", BEFORE, |s| { s.secrets.insert(secret_name("fleet-auth-xkey"), Ok(None)); s.public_keys = Ok(None); }, Reason::SecretAwaited, ""),
    ("no secret", AFTER, |s| { s.secrets.insert(secret_name("fleet-operator-signing"), Ok(None)); }, Reason::SecretMissing, "secret/fleet-operator-signing"),
    ("no entry", AFTER, |s| { s.secrets.insert(secret_name("fleet-operator-signing"), Ok(Some(SecretFacts::default()))); }, Reason::SecretEntryMissing, "secret/fleet-operator-signing"),
    ("no key", AFTER, |s| {
        let entries = BTreeMap::from([("seed".into(), Entry::NoKey)]);
        s.secrets.insert(secret_name("fleet-auth-issuer"), Ok(Some(SecretFacts { entries })));
    }, Reason::KeyUnusable, "secret/fleet-auth-issuer"),
    ("no public keys", AFTER, |s| s.public_keys = Ok(None), Reason::PublicKeysMissing, "configmap/fleet-public-keys"),
    ("another issuer", AFTER, |s| { s.public_keys.as_mut().expect("known").as_mut().expect("there").insert("issuer".into(), "another".into()); }, Reason::PublicKeysDiffer, "configmap/fleet-public-keys"),
    ("another login", AFTER, |s| { s.public_keys.as_mut().expect("known").as_mut().expect("there").insert("accounts.conf".into(), String::new()); }, Reason::PublicKeysDiffer, ""),
    ("nothing runs", AFTER, |s| { s.workloads = Ok(vec![]); s.pods = Ok(vec![]); }, Reason::NotInstalled, ""),
    ("no operator", AFTER, |s| { s.workloads.as_mut().expect("known").remove(0); }, Reason::OperatorMissing, ""),
    ("no pods wanted", AFTER, |s| operator(s).wanted = 0, Reason::ScaledToZero, "deployment/fleet-operator"),
    ("refused, as the status says", AFTER, |s| {
        operator(s).ready = 0;
        operator(s).refused = Some("violates PodSecurity \"restricted:latest\"".into());
        s.pods.as_mut().expect("known").remove(0);
    }, Reason::PodRefused, "deployment/fleet-operator"),
    ("refused, as an event says", AFTER, |s| {
        s.workloads.as_mut().expect("known")[3].ready = 0;
        s.pods.as_mut().expect("known").remove(3);
        s.events = Ok(vec![event("StatefulSet", "nats", "FailedCreate", "unable to validate against any security context constraint")]);
    }, Reason::PodRefused, "statefulset/nats"),
    ("no secret for a variable", AFTER, |s| waits(s, "CreateContainerConfigError", "secret \"x\" not found"), Reason::WaitsForSecret, "pod/fleet-operator-0"),
    ("no entry for a variable", AFTER, |s| waits(s, "CreateContainerConfigError", "couldn't find key seed in Secret fleet-system/x"), Reason::WaitsForSecret, "pod/fleet-operator-0"),
    ("no secret for a volume", AFTER, |s| {
        waits(s, "ContainerCreating", "");
        s.events = Ok(vec![
            event("Pod", "fleet-operator-0", "FailedMount", "MountVolume.SetUp failed for volume \"signing\" : secret \"fleet-operator-signing\" not found"),
            event("Pod", "fleet-operator-0", "Scheduled", "fine"),
        ]);
    }, Reason::WaitsForSecret, "pod/fleet-operator-0"),
    ("no entry for a volume", AFTER, |s| {
        waits(s, "ContainerCreating", "");
        s.events = Ok(vec![event("Pod", "fleet-operator-0", "FailedMount", "MountVolume.SetUp failed for volume \"signing\" : references non-existent secret key: manifest.key")]);
    }, Reason::WaitsForSecret, "pod/fleet-operator-0"),
    ("no image", AFTER, |s| waits(s, "ImagePullBackOff", "Back-off"), Reason::ImageNotPulled, "pod/fleet-operator-0"),
    ("no node", AFTER, |s| unready(s, Component::Nats).unschedulable = Some("0/1 nodes are available".into()), Reason::PodUnschedulable, "pod/nats-0"),
    ("as root", AFTER, |s| waits(s, "CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), Reason::ContainerNotStarted, "pod/fleet-operator-0"),
    ("no such program", AFTER, |s| waits(s, "RunContainerError", "exec: \"x\": not found"), Reason::ContainerNotStarted, "pod/fleet-operator-0"),
    ("ends", AFTER, |s| {
        waits(s, "CrashLoopBackOff", "back-off 5m0s");
        s.pods.as_mut().expect("known")[0].containers[0].ended = Some("Error with code 1".into());
    }, Reason::CrashLoop, "pod/fleet-operator-0"),
    ("no probe answered", AFTER, |s| {
        unready(s, Component::Callout);
        s.events = Ok(vec![event("Pod", "fleet-auth-callout-0", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")]);
    }, Reason::NotReady, "pod/fleet-auth-callout-0"),
    ("just begun", AFTER, |s| unready(s, Component::Zitadel).since = Some(now()), Reason::Starting, "pod/zitadel-0"),
    ("sealed, by its label", AFTER, |s| { s.pods.as_mut().expect("known")[4].labels.insert("openbao-sealed".into(), "true".into()); }, Reason::OpenBaoSealed, "pod/openbao-0"),
    ("sealed, by its probe", AFTER, |s| {
        unready(s, Component::OpenBao);
        s.events = Ok(vec![event("Pod", "openbao-0", "Unhealthy", "Readiness probe failed: Key     Value\nInitialized     true\nSealed          true\n")]);
    }, Reason::OpenBaoSealed, "pod/openbao-0"),
    ("never initialized", AFTER, |s| { s.pods.as_mut().expect("known")[4].labels.insert("openbao-initialized".into(), "false".into()); }, Reason::OpenBaoUninitialized, "pod/openbao-0"),
    ("a Job that does not end", AFTER, |s| {
        let mut job = workload(Component::AuthJob, "job", "fleet-auth-secrets");
        job.ready = 0;
        let mut pod = pod(Component::AuthJob, "fleet-auth-secrets");
        pod.ready = false;
        pod.containers[0].ended = Some("Error with code 1".into());
        pod.containers[0].restarts = 3;
        s.workloads.as_mut().expect("known").push(job);
        s.pods.as_mut().expect("known").push(pod);
    }, Reason::CrashLoop, "pod/fleet-auth-secrets-0"),
    ("older definitions", AFTER, |s| for d in s.definitions.as_mut().expect("known") { d.version = Some("0.0.9".into()); }, Reason::DefinitionsDiffer, ""),
    ("an older callout", AFTER, |s| s.workloads.as_mut().expect("known")[1].version = Some("0.0.9".into()), Reason::VersionsDiffer, ""),
    ("an older program", AFTER, |s| s.program = "0.0.9".into(), Reason::VersionsDiffer, ""),
    ("a newer agent", AFTER, |s| s.devices.as_mut().expect("known")[0] = device("pi-1", "0.1.1", &[]), Reason::AgentsNewer, ""),
    ("an older agent", AFTER, |s| s.devices.as_mut().expect("known")[0] = device("pi-1", "0.0.7", &[]), Reason::AgentsOlder, ""),
    ("one not heard", AFTER, |s| s.devices.as_mut().expect("known")[0] = device("pi-1", "0.1.0", &[("Stale", "True")]), Reason::SomeDevicesStale, ""),
    ("half not heard", AFTER, |s| for d in &mut s.devices.as_mut().expect("known")[..5] { *d = device("pi-1", "0.1.0", &[("Stale", "True")]); }, Reason::MostDevicesStale, ""),
    ("refused manifests", AFTER, |s| s.devices.as_mut().expect("known")[0] = device("pi-1", "0.1.0", &[("Synced", "False")]), Reason::ManifestsRefused, ""),
    ("broken counts", AFTER, |s| s.deployments = Ok(vec![deployment([3, 1, 1, 0], 2, &[])]), Reason::CountsBroken, "shop/web"),
    ("an old status", AFTER, |s| s.deployments = Ok(vec![deployment([0, 0, 0, 0], 1, &[])]), Reason::StatusBehind, "shop/web"),
    ("stalled", AFTER, |s| s.deployments = Ok(vec![deployment([0, 0, 0, 0], 2, &[condition("Stalled", "True", "Oversize", "")])]), Reason::Stalled, "shop/web"),
    ("nobody decided", AFTER, |s| s.enrolments = Ok(vec![enrolment(None, &[])]), Reason::EnrolmentsWait, ""),
    ("stuck", AFTER, |s| s.enrolments = Ok(vec![enrolment(Some("Approved"), &[condition("Ready", "False", "PolicyStoreFailed", "")])]), Reason::EnrolmentStuck, ""),
];

#[test]
fn a_job_belongs_to_what_it_prepares() {
    for (job, check) in [
        (Component::AuthJob, Check::Secrets),
        (Component::Provision, Check::OpenBao),
        (Component::Identity, Check::Zitadel),
    ] {
        let mut snapshot = well();
        let mut failing = workload(job, "job", "fleet-auth-job");
        failing.ready = 0;
        snapshot.workloads.as_mut().expect("known").push(failing);
        let report = diagnose(&snapshot, None);
        let trouble = trouble(&report.findings);
        let found: Vec<_> = trouble.iter().map(|f| (f.check, f.reason)).collect();
        assert_eq!(found, [(check, Reason::Starting)]);
    }
}

fn trouble(findings: &[Finding]) -> Vec<&Finding> {
    let bad = |finding: &&Finding| finding.severity != Severity::Ok;
    findings.iter().filter(bad).collect()
}

#[test]
fn each_trouble_is_called_by_its_word_and_nothing_else_is_said_about_it() {
    for (name, stage, break_it, reason, object) in CASES {
        let mut snapshot = well();
        break_it(&mut snapshot);
        let report = diagnose(&snapshot, Some(*stage));
        let trouble = trouble(&report.findings);
        if *reason == Reason::Fine {
            assert!(trouble.is_empty(), "{name}: {trouble:#?}");
            continue;
        }
        assert!(!trouble.is_empty(), "{name}: nothing is said");
        for finding in &trouble {
            assert_eq!(finding.reason, *reason, "{name}: {trouble:#?}");
            assert!(finding.remedy.is_some(), "{name}: {finding:#?}");
        }
        let about = trouble.iter().filter_map(|f| f.object.as_deref());
        let mut about = about.chain([""]);
        assert!(about.any(|o| o.contains(object)), "{name}: {trouble:#?}");
        let errors = reason.severity() == Severity::Error;
        assert_eq!(report.has_errors(), errors, "{name}");
    }
}

#[test]
fn every_word_has_a_case_and_none_is_there_twice() {
    let tried: BTreeSet<_> = CASES.iter().map(|(_, _, _, reason, _)| *reason).collect();
    let all: BTreeSet<_> = Reason::ALL.iter().copied().collect();
    assert_eq!(tried, all);
    let texts: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(texts.len(), Reason::ALL.len());
    let checks: BTreeSet<_> = Check::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(checks.len(), Check::ALL.len());
}

#[test]
fn a_platform_that_is_well_answers_every_check_and_one_that_is_mended_does_so_again() {
    let report = diagnose(&well(), None);
    let answered: BTreeSet<_> = report.findings.iter().map(|f| f.check).collect();
    let expected: BTreeSet<_> = Check::ALL.into_iter().collect();
    let unasked: Vec<_> = expected.difference(&answered).collect();
    assert_eq!(unasked, [&Check::Permissions], "those of who installs");
    // A controller that could not make a pod, and then could.
    let mut snapshot = well();
    snapshot.events = Ok(vec![
        event(
            "ReplicaSet",
            "fleet-operator-1",
            "FailedCreate",
            "exceeded quota",
        ),
        event(
            "ReplicaSet",
            "fleet-operator-1",
            "SuccessfulCreate",
            "Created pod",
        ),
    ]);
    operator(&mut snapshot).ready = 0;
    snapshot.pods.as_mut().expect("known").remove(0);
    let report = diagnose(&snapshot, None);
    let reasons: Vec<_> = trouble(&report.findings).iter().map(|f| f.reason).collect();
    assert_eq!(reasons, [Reason::Starting]);
}

/// A probe's answer is a number; the program has words.
#[test]
fn a_pod_that_is_not_ready_is_quoted() {
    let mut snapshot = well();
    let pod = unready(&mut snapshot, Component::Callout);
    pod.containers[0].last_words = Some("no connection to NATS".to_owned());
    let report = diagnose(&snapshot, None);
    let messages: Vec<_> = trouble(&report.findings)
        .iter()
        .map(|f| (f.reason, f.message.clone()))
        .collect();
    let said = "it does not say that it is ready; it said last: no connection to NATS";
    assert_eq!(messages, [(Reason::NotReady, said.to_owned())]);
}

#[test]
fn the_next_and_the_previous_key_count_as_well() {
    let mut snapshot = well();
    let ring = ["manifest.key", "manifest.key.next", "manifest.key.previous"];
    let entries = ring.map(|slot| (slot.to_owned(), Entry::Key(format!("public-of-{slot}"))));
    let facts = SecretFacts {
        entries: entries.into(),
    };
    let name = secret_name("fleet-operator-signing");
    snapshot.secrets.insert(name, Ok(Some(facts)));
    let all = ring.map(|slot| format!("public-of-{slot}")).join(",");
    let mut public = public_keys();
    public.insert(MANIFEST_KEYS_ENTRY.into(), all);
    snapshot.public_keys = Ok(Some(public.clone()));
    assert!(!diagnose(&snapshot, None).has_errors());
    let without_next = "public-of-manifest.key,public-of-manifest.key.previous";
    public.insert(MANIFEST_KEYS_ENTRY.into(), without_next.into());
    snapshot.public_keys = Ok(Some(public));
    assert!(diagnose(&snapshot, None).has_errors());
}

#[test]
fn a_missing_secret_comes_with_the_command_that_makes_it() {
    let ensure = "fleet-auth secrets ensure --namespace fleet-system";
    for (secret, remedy) in [
        ("fleet-auth-xkey", ensure.to_owned()),
        ("fleet-enrolment-ca", ensure.to_owned()),
        ("fleet-openbao-seal-2", format!("{ensure} --seal-number 2")),
        ("fleet-openbao-tls", format!("{ensure} --openbao-host openbao")),
        ("fleet-zitadel-masterkey", format!("{ensure} --zitadel-masterkey")),
        ("nats-ca", "kubectl -n fleet-system create secret generic nats-ca --from-file=ca.crt=FILE".to_owned()),
        ("fleet-openbao-seal-0", "kubectl -n fleet-system create secret generic fleet-openbao-seal-0 --from-file=ca.crt=FILE".to_owned()),
    ] {
        let mut snapshot = well();
        let (name, entry) = (secret_name(secret), Some("ca.crt".to_owned()));
        let asked = [(name.clone(), None), (name.clone(), entry)];
        operator(&mut snapshot).secrets.extend(asked);
        snapshot.secrets.insert(name, Ok(None));
        let report = diagnose(&snapshot, None);
        let found: Vec<_> = trouble(&report.findings);
        assert_eq!(found.len(), 1, "{secret}: {found:#?}");
        assert_eq!(found[0].remedy.as_deref(), Some(remedy.as_str()));
    }
}

#[test]
fn what_the_set_up_of_the_identity_provider_owes_comes_with_where_to_look() {
    let owed = |object: &str, has_job: bool| {
        let mut snapshot = well();
        if has_job {
            let job = workload(Component::Identity, "job", "fleet-auth-zitadel-1");
            snapshot.workloads.as_mut().expect("known").push(job);
        }
        if object == "fleet-identity" {
            let message = format!("configmap {object:?} not found");
            waits(&mut snapshot, "CreateContainerConfigError", &message);
        } else {
            let name = secret_name(object);
            let asked = [(name.clone(), None)];
            operator(&mut snapshot).secrets.extend(asked);
            snapshot.secrets.insert(name, Ok(None));
        }
        let report = diagnose(&snapshot, None);
        let found: Vec<_> = trouble(&report.findings);
        assert_eq!(found.len(), 1, "{object}: {found:#?}");
        found[0].remedy.clone().expect("what to do")
    };
    let log = "kubectl -n fleet-system logs job/fleet-auth-zitadel-1";
    for object in ["fleet-identity", "fleet-idp-token"] {
        assert!(owed(object, true).contains(log), "{object}");
    }
    assert!(owed("fleet-identity", false).contains("set auth.zitadelJob.enabled"));
    assert!(owed("fleet-idp-token", false).contains("create secret generic fleet-idp-token"));
    assert!(owed("iam-admin-pat", true).contains("Zitadel's own set-up makes it"));
}

/// Takes one of the facts away, and gives the checks that are about it alone.
fn hide(snapshot: &mut Snapshot, fact: usize) -> &'static [Check] {
    match fact {
        0 => snapshot.found_namespace = forbidden(),
        1 => snapshot.definitions = failed(),
        2 => snapshot.claims = forbidden(),
        3 => snapshot.public_keys = failed(),
        4 => snapshot.workloads = forbidden(),
        5 => snapshot.devices = failed(),
        6 => snapshot.deployments = forbidden(),
        7 => snapshot.enrolments = forbidden(),
        8 => snapshot
            .secrets
            .values_mut()
            .for_each(|secret| *secret = forbidden()),
        9 => snapshot.pods = failed(),
        10 => snapshot.events = forbidden(),
        _ => snapshot.openshift = failed(),
    }
    match fact {
        0 => &[Check::Namespace],
        1 => &[Check::Definitions],
        2 => &[Check::Storage],
        4 => &[Check::Operator, Check::Callout, Check::Nats, Check::OpenBao],
        5 => &[Check::Devices],
        6 => &[Check::Deployments],
        7 => &[Check::Enrolments],
        3 | 8 => &[Check::PublicKeys],
        9 => &[Check::OpenBao],
        _ => &[],
    }
}

proptest! {
    /// Whatever is hidden: nothing is taken for well that was not seen, and nothing for broken.
    #[test]
    fn what_is_not_known_is_neither_well_nor_broken(hidden in prop::collection::btree_set(0..12_usize, 0..12)) {
        let mut snapshot = well();
        let unseen: Vec<_> = hidden.iter().flat_map(|fact| hide(&mut snapshot, *fact)).collect();
        let report = diagnose(&snapshot, Some(Stage::After));
        prop_assert!(!report.has_errors(), "{:#?}", report.findings);
        for check in unseen {
            let mut of_it = report.findings.iter().filter(|f| f.check == *check);
            prop_assert!(of_it.all(|f| f.severity == Severity::Unknown), "{check}: {:#?}", report.findings);
        }
    }

    /// Counts are broken exactly when they do not add up.
    #[test]
    fn counts_that_do_not_add_up_are_found(counts in prop::array::uniform4(0..4_i64)) {
        let mut snapshot = well();
        snapshot.deployments = Ok(vec![deployment(counts, 2, &[])]);
        let report = diagnose(&snapshot, None);
        let [matched, rest @ ..] = counts;
        let broken = report.findings.iter().any(|f| f.reason == Reason::CountsBroken);
        prop_assert_eq!(broken, rest.iter().sum::<i64>() != matched);
    }

    /// Two troubles are both told, whichever they are, unless there is no server to ask.
    #[test]
    fn one_trouble_does_not_hide_an_independent_one(name in 0..CASES.len()) {
        let (_, stage, break_it, reason, _) = &CASES[name];
        let mut snapshot = well();
        break_it(&mut snapshot);
        let about_devices = matches!(reason, Reason::SomeDevicesStale | Reason::MostDevicesStale | Reason::NotPermitted);
        if *stage == Stage::After && *reason != Reason::Unreachable && !about_devices {
            snapshot.enrolments = Ok(vec![enrolment(None, &[])]);
            let report = diagnose(&snapshot, Some(*stage));
            let reasons: BTreeSet<_> = report.findings.iter().map(|f| f.reason).collect();
            prop_assert!(reasons.contains(&Reason::EnrolmentsWait));
            prop_assert!(reasons.contains(reason) || *reason == Reason::EnrolmentStuck);
        }
    }
}
