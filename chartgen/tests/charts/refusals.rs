//! Wrong values are refused by both Helms, with the key and what is allowed.

use serde_json::{Value, json};

use crate::support::{Case, helms};

/// Values, and what both Helms say of them.
struct Wrong {
    values: Value,
    says: &'static [&'static str],
}

fn wrong(values: Value, says: &'static [&'static str]) -> Wrong {
    Wrong { values, says }
}

fn check(case: &dyn Fn() -> Case, table: Vec<Wrong>) {
    let mut amiss = Vec::new();
    for Wrong { values, says } in table {
        let shown = values.to_string();
        for helm in helms() {
            match case().values(values.clone()).template(helm) {
                Ok(_) => amiss.push(format!("{shown} is taken")),
                Err(error) => amiss.extend(
                    says.iter()
                        .filter(|word| !error.contains(**word))
                        .map(|word| format!("{shown}: {word:?} is not said:\n{error}")),
                ),
            }
        }
    }
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}

#[test]
fn keys_that_do_not_exist() {
    let table = vec![
        wrong(
            json!({"replica": 2}),
            &["additional properties 'replica' not allowed"],
        ),
        wrong(json!({"image": {"name": "x"}}), &["/image", "'name'"]),
        wrong(
            json!({"nats": {"ca": {"secret": "x"}}}),
            &["/nats/ca", "'secret'"],
        ),
        wrong(json!({"crds": {"install": true}}), &["/crds", "'install'"]),
        wrong(
            json!({"metrics": {"serviceMonitor": {"namespace": "x"}}}),
            &["/metrics/serviceMonitor", "'namespace'"],
        ),
        wrong(
            json!({"imagePullSecrets": [{"nam": "x"}]}),
            &["/imagePullSecrets/0", "'nam'"],
        ),
        wrong(
            json!({"livenessProbe": {"period": 1}}),
            &["/livenessProbe", "'period'"],
        ),
    ];
    check(&Case::operator, table);
    let table = vec![
        wrong(json!({"crd": {}}), &["'crd'"]),
        wrong(json!({"crds": {"kep": true}}), &["/crds", "'kep'"]),
    ];
    check(&Case::crds, table);
}

#[test]
fn values_of_another_type() {
    let table = vec![
        wrong(json!({"replicas": "2"}), &["/replicas", "want integer"]),
        wrong(json!({"replicas": 1.5}), &["/replicas", "want integer"]),
        wrong(json!({"rbac": true}), &["/rbac", "want object"]),
        wrong(
            json!({"rbac": {"create": "false"}}),
            &["/rbac/create", "want boolean"],
        ),
        wrong(json!({"extraArgs": "--x"}), &["/extraArgs", "want array"]),
        wrong(json!({"extraArgs": [1]}), &["/extraArgs/0", "want string"]),
        wrong(
            json!({"extraEnv": {"A": "b"}}),
            &["/extraEnv", "want array"],
        ),
        wrong(
            json!({"extraEnv": ["A=b"]}),
            &["/extraEnv/0", "want object"],
        ),
        wrong(
            json!({"podAnnotations": {"a": 1}}),
            &["/podAnnotations/a", "want string"],
        ),
        wrong(
            json!({"nodeSelector": {"a": true}}),
            &["/nodeSelector/a", "want string"],
        ),
        wrong(
            json!({"image": {"tag": 1.2}}),
            &["/image/tag", "want string"],
        ),
        wrong(
            json!({"imagePullSecrets": ["x"]}),
            &["/imagePullSecrets/0", "want object"],
        ),
        wrong(
            json!({"networkPolicy": {"natsPorts": ["4222"]}}),
            &["/networkPolicy/natsPorts/0", "want integer"],
        ),
        wrong(json!({"tolerations": {}}), &["/tolerations", "want array"]),
        wrong(json!({"affinity": []}), &["/affinity", "want object"]),
    ];
    check(&Case::operator, table);
    let table = vec![wrong(
        json!({"crds": {"keep": "yes"}}),
        &["/crds/keep", "want boolean"],
    )];
    check(&Case::crds, table);
}

#[test]
fn values_out_of_range() {
    let table = vec![
        wrong(json!({"replicas": -1}), &["/replicas", "want 0"]),
        wrong(json!({"replicas": 10}), &["/replicas", "want 9"]),
        wrong(
            json!({"nats": {"streamReplicas": 0}}),
            &["/nats/streamReplicas", "want 1"],
        ),
        wrong(
            json!({"nats": {"streamReplicas": 6}}),
            &["/nats/streamReplicas", "want 5"],
        ),
        wrong(
            json!({"leaderElection": {"leaseDurationSeconds": 2}}),
            &["/leaderElection/leaseDurationSeconds", "want 3"],
        ),
        wrong(
            json!({"devices": {"heartbeatPeriodSeconds": 0}}),
            &["/devices/heartbeatPeriodSeconds", "want 1"],
        ),
        wrong(
            json!({"devices": {"staleAfterSeconds": -1}}),
            &["/devices/staleAfterSeconds", "want 0"],
        ),
        wrong(
            json!({"metrics": {"port": 80}}),
            &["/metrics/port", "want 1,024"],
        ),
        wrong(
            json!({"metrics": {"port": 70000}}),
            &["/metrics/port", "want 65,535"],
        ),
        wrong(
            json!({"networkPolicy": {"natsPorts": [65536]}}),
            &["/networkPolicy/natsPorts/0", "want 65,535"],
        ),
        wrong(
            json!({"networkPolicy": {"apiServerPorts": [0]}}),
            &["/networkPolicy/apiServerPorts/0", "want 1"],
        ),
        wrong(
            json!({"terminationGracePeriodSeconds": 0}),
            &["/terminationGracePeriodSeconds", "want 1"],
        ),
        wrong(
            json!({"livenessProbe": {"periodSeconds": 0}}),
            &["/livenessProbe/periodSeconds", "want 1"],
        ),
        wrong(
            json!({"metrics": {"prometheusRule": {"staleDevicesPercent": 101}}}),
            &["/metrics/prometheusRule/staleDevicesPercent", "want 100"],
        ),
    ];
    check(&Case::operator, table);
}

#[test]
fn texts_that_are_not_what_they_should_be() {
    let table = vec![
        wrong(
            json!({"nats": {"url": "http://nats:4222"}}),
            &["/nats/url", "does not match pattern", "nats|tls"],
        ),
        wrong(json!({"nats": {"url": ""}}), &["/nats/url", "nats|tls"]),
        wrong(
            json!({"nats": {"url": "nats://a, nats://b"}}),
            &["/nats/url", "nats|tls"],
        ),
        wrong(
            json!({"image": {"pullPolicy": "always"}}),
            &["/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"],
        ),
        wrong(
            json!({"log": {"format": "xml"}}),
            &["/log/format", "'json', 'text'"],
        ),
        // A `+` of a version is `_` in a tag.
        wrong(
            json!({"image": {"tag": "1.0+build"}}),
            &["/image/tag", "does not match pattern"],
        ),
        wrong(
            json!({"image": {"digest": "sha256:12"}}),
            &["/image/digest", "sha256:"],
        ),
        wrong(
            json!({"image": {"registry": "https://r.example.com"}}),
            &["/image/registry", "does not match pattern"],
        ),
        wrong(
            json!({"image": {"repository": ""}}),
            &["/image/repository", "does not match pattern"],
        ),
        wrong(
            json!({"global": {"imageRegistry": "a b"}}),
            &["/global/imageRegistry", "does not match pattern"],
        ),
        wrong(
            json!({"imagePullSecrets": [{"name": ""}]}),
            &["/imagePullSecrets/0/name"],
        ),
        wrong(
            json!({"imagePullSecrets": [{"name": "Secret"}]}),
            &["/imagePullSecrets/0/name", "does not match pattern"],
        ),
        wrong(
            json!({"nats": {"ca": {"name": "a_b"}}}),
            &["/nats/ca/name", "does not match pattern"],
        ),
        wrong(
            json!({"nats": {"existingSecret": {"key": "a/b"}}}),
            &["/nats/existingSecret/key", "does not match pattern"],
        ),
        wrong(
            json!({"commonLabels": {"team": "a b"}}),
            &["/commonLabels/team", "does not match pattern"],
        ),
        wrong(
            json!({"podLabels": {"-x": "a"}}),
            // The validator does not say whose name it is.
            &["'-x' does not match pattern"],
        ),
        wrong(
            json!({"metrics": {"serviceMonitor": {"interval": "30"}}}),
            &["/metrics/serviceMonitor/interval", "does not match pattern"],
        ),
        wrong(
            json!({"signing": {"announcedKeys": ["a,b"]}}),
            &["/signing/announcedKeys/0", "does not match pattern"],
        ),
        wrong(
            json!({"fullnameOverride": "Not A Name"}),
            &["/fullnameOverride", "does not match pattern"],
        ),
        wrong(
            json!({"nameOverride": "Not A Name"}),
            &["/nameOverride", "does not match pattern"],
        ),
        wrong(
            json!({"serviceAccount": {"name": "a b"}}),
            &["/serviceAccount/name", "does not match pattern"],
        ),
        wrong(
            json!({"priorityClassName": "Not A Name"}),
            &["/priorityClassName", "does not match pattern"],
        ),
        wrong(
            json!({"podDisruptionBudget": {"maxUnavailable": "half"}}),
            &["/podDisruptionBudget/maxUnavailable"],
        ),
        wrong(
            json!({"podDisruptionBudget": {"maxUnavailable": -1}}),
            &["/podDisruptionBudget/maxUnavailable"],
        ),
    ];
    check(&Case::operator, table);
}

#[test]
fn values_that_contradict_each_other() {
    let table = vec![
        wrong(
            json!({"metrics": {"serviceMonitor": {"enabled": true}, "service": {"enabled": false}}}),
            &[
                "metrics.serviceMonitor.enabled needs metrics.service.enabled: a ServiceMonitor finds pods through a Service",
            ],
        ),
        wrong(
            json!({"signing": {"existingSecret": {"name": ""}}}),
            &["signing.existingSecret.name is empty: name the Secret with the signing key"],
        ),
        wrong(
            json!({"nats": {"existingSecret": {"name": ""}}}),
            &["nats.existingSecret.name is empty: name the Secret with the operator's nkey seed"],
        ),
    ];
    check(&Case::operator, table);
}

#[test]
fn clusters_that_are_too_old() {
    for case in [Case::operator(), Case::crds()] {
        for error in case.args(["--kube-version", "1.29.9"]).refused() {
            assert!(
                error.contains("requires kubeVersion: >=1.30.0-0"),
                "{error}"
            );
        }
    }
}
