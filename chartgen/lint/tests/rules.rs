//! Every rule on manifests as charts render them, and the entry points.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "json! values read best in place"
)]

use std::collections::BTreeSet;

use chartgen_lint::{
    Error, Manifests, Options, Report, Rule, Severity, compare, lint_dir, lint_text,
};
use serde_json::{Value, json};

fn lint(objects: &[Value]) -> Report {
    lint_with(objects, &Options::default())
}

fn lint_with(objects: &[Value], options: &Options) -> Report {
    lint_text("all.json", &stream(objects), options)
}

fn stream(objects: &[Value]) -> String {
    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
    documents.join("\n---\n")
}

fn rules(report: &Report) -> Vec<Rule> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

fn messages(report: &Report, rule: Rule) -> Vec<&str> {
    report
        .of(rule)
        .map(|finding| finding.message.as_str())
        .collect()
}

fn object(api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    for (key, value) in rest.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

/// A workload without any finding.
fn deployment() -> Value {
    let probe = json!({"httpGet": {"path": "/", "port": "http"}});
    object(
        "apps/v1",
        "Deployment",
        "web",
        json!({"spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web", "version": "1"}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "web",
                        "image": "registry.example:5000/web:1",
                        "ports": [{"name": "http", "containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                        "env": [{"name": "A", "value": "1"}],
                        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
                        "readinessProbe": probe,
                        "livenessProbe": probe,
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "capabilities": {"drop": ["ALL"]},
                            "readOnlyRootFilesystem": true,
                        },
                    }],
                },
            },
        }}),
    )
}

fn crd() -> Value {
    object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "robots.example.org",
        json!({"spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "robots", "kind": "Robot"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
                }}},
            }],
        }}),
    )
}

#[test]
fn a_well_made_release_has_no_finding() {
    let report = lint(&[
        deployment(),
        crd(),
        object(
            "v1",
            "Service",
            "web",
            json!({"spec": {"ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}}),
        ),
        object("v1", "ServiceAccount", "web", json!({})),
        object(
            "rbac.authorization.k8s.io/v1",
            "Role",
            "web",
            json!({"rules": [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
            ]}),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "web",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"},
                "subjects": [{"kind": "ServiceAccount", "name": "web"}],
            }),
        ),
    ]);
    assert_eq!(
        report.to_string(),
        "6 objects: 0 errors, 0 warnings, 0 notes"
    );
}

#[test]
fn unknown_fields_are_named_by_path_and_wrong_types_do_not_hide_them() {
    let mut web = deployment();
    web["spec"]["replica"] = json!(1);
    web["spec"]["replicas"] = json!("2");
    web["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = json!({});
    web["spec"]["template"]["spec"]["hostname"] = Value::Null;
    let report = lint(&[web]);
    assert_eq!(
        messages(&report, Rule::UnknownField),
        [
            "there is no field spec.replica",
            "there is no field spec.template.spec.containers[0].readinesProbe",
        ]
    );
    let wrong = messages(&report, Rule::WrongType);
    assert!(
        wrong.len() == 1 && wrong[0].starts_with("spec.replicas: "),
        "{wrong:?}"
    );
}

#[test]
fn what_cannot_be_checked_is_said() {
    let report = lint(&[
        object(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "web",
            json!({"spec": {"anything": 1}}),
        ),
        object("policy/v1beta1", "PodSecurityPolicy", "old", json!({})),
    ]);
    assert_eq!(rules(&report), [Rule::KindNotChecked, Rule::KindNotServed]);
    assert!(!report.has_errors());
}

#[test]
fn rights_beyond_need_are_found() {
    let rbac = "rbac.authorization.k8s.io/v1";
    let report = lint(&[
        object(
            rbac,
            "ClusterRole",
            "a",
            json!({"rules": [
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["/metrics/*"], "verbs": ["get"]},
                {"apiGroups": [rbac], "resources": ["roles"], "verbs": ["escalate", "bind", "impersonate"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]},
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
                {"apiGroups": ["apps"], "resources": ["*/status"], "verbs": ["get"]},
            ]}),
        ),
        object(
            rbac,
            "ClusterRoleBinding",
            "b",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [
                    {"kind": "Group", "name": "system:authenticated"},
                    {"kind": "Group", "name": "system:masters"},
                    {"kind": "User", "name": "system:anonymous"},
                    {"kind": "ServiceAccount", "name": "gone", "namespace": "web"},
                ],
            }),
        ),
    ]);
    assert_eq!(
        messages(&report, Rule::RbacWildcard),
        [
            "rule 1: apiGroups has the wildcard *",
            "rule 1: resources has the wildcard *",
            "rule 1: verbs has the wildcard *",
            "rule 2: nonResourceURLs has the wildcard /metrics/*",
            "rule 6: resources has the wildcard */status",
        ]
    );
    assert_eq!(report.of(Rule::RbacEscalation).count(), 3);
    assert_eq!(report.of(Rule::RbacSecrets).count(), 2);
    assert_eq!(report.of(Rule::RbacBinding).count(), 4);
    assert_eq!(
        messages(&report, Rule::RbacSubjectMissing),
        ["its service account web/gone is not among the manifests"]
    );
}

#[test]
fn what_is_there_twice_is_found() {
    let mut web = deployment();
    {
        let pod = &mut web["spec"]["template"]["spec"];
        pod["volumes"] = json!([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]);
        let container = &mut pod["containers"][0];
        container["env"] = json!([{"name": "A"}, {"name": "A"}]);
        container["ports"] =
            json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]);
        container["volumeMounts"] =
            json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}]);
        let copy = container.clone();
        pod["initContainers"] = json!([copy]);
    }
    let mut elsewhere = deployment();
    elsewhere["metadata"]["namespace"] = json!("default");
    let report = lint(&[web, elsewhere]);
    assert_eq!(report.of(Rule::DuplicateObject).count(), 1, "{report}");
    let entries = messages(&report, Rule::DuplicateEntry);
    for expected in [
        "volumes has two entries with name v",
        "env has two entries with name A",
        "ports has two entries with containerPort, protocol 80, TCP",
        "volumeMounts has two entries with mountPath /v",
        "two containers are named \"web\"",
    ] {
        assert!(entries.contains(&expected), "{expected}: {entries:?}");
    }
}

#[test]
fn selectors_match_their_templates() {
    let mut web = deployment();
    web["spec"]["selector"] = json!({
        "matchLabels": {"app": "web", "tier": "x", "version": "2"},
        "matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}, {"key": "version", "operator": "Exists"}],
    });
    let report = lint(&[web]);
    assert_eq!(report.of(Rule::SelectorMismatch).count(), 3, "{report}");
    let mut empty = deployment();
    empty["spec"]["selector"] = json!({});
    assert_eq!(rules(&lint(&[empty])), [Rule::SelectorMismatch]);
}

fn upgrade(old: &Value, new: &Value) -> Report {
    compare(
        &Manifests::read("old", &old.to_string()),
        &Manifests::read("new", &new.to_string()),
    )
}

#[test]
fn an_upgrade_may_change_what_the_server_lets_change() {
    let mut new = deployment();
    new["spec"]["replicas"] = json!(3);
    new["spec"]["template"]["metadata"]["labels"]["version"] = json!("2");
    assert_eq!(rules(&upgrade(&deployment(), &new)), []);
    let mut more = crd();
    more["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        ["z"] = json!({"type": "integer"});
    assert_eq!(rules(&upgrade(&crd(), &more)), []);
}

#[test]
fn an_upgrade_that_would_fail_or_lose_data_is_found() {
    let mut selector = deployment();
    selector["spec"]["selector"]["matchLabels"]["app"] = json!("api");
    let stateful = |claim: &str, service: &str| {
        object(
            "apps/v1",
            "StatefulSet",
            "db",
            json!({"spec": {
                "serviceName": service, "volumeClaimTemplates": [{"metadata": {"name": claim}}],
            }}),
        )
    };
    let job = |image: &str, hook: Value| {
        let mut job = object(
            "batch/v1",
            "Job",
            "j",
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "c", "image": image},
            ]}}}}),
        );
        job["metadata"]["annotations"] = hook;
        job
    };
    let service = |ip: Value| object("v1", "Service", "s", json!({"spec": {"clusterIP": ip}}));
    let mut fewer = crd();
    fewer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        .as_object_mut()
        .expect("an object")
        .remove("y");
    let mut unserved = crd();
    unserved["spec"]["versions"][0]["served"] = json!(false);
    let mut kept = crd();
    kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let hook = json!({"helm.sh/hook": "pre-upgrade"});
    let field = Rule::UpgradeImmutableField;
    for (old, new, expected) in [
        (deployment(), selector, vec![field]),
        (stateful("a", "db"), stateful("b", "db"), vec![field]),
        (stateful("a", "db"), stateful("a", "other"), vec![field]),
        (job("a", json!({})), job("b", json!({})), vec![field]),
        (job("a", hook.clone()), job("b", hook), vec![]),
        (
            service(json!("10.0.0.1")),
            service(json!("None")),
            vec![field],
        ),
        (service(json!("10.0.0.1")), service(Value::Null), vec![]),
        (crd(), fewer, vec![Rule::UpgradeCrdFieldRemoved]),
        (crd(), unserved, vec![Rule::UpgradeCrdVersionRemoved]),
        (kept, crd(), vec![Rule::UpgradeKeepRemoved]),
    ] {
        let report = upgrade(&old, &new);
        assert_eq!(rules(&report), expected, "{report}");
    }
}

#[test]
fn crds_are_small_structural_and_kept_where_that_is_asked() {
    let asked = Options {
        crd_keep: true,
        crd_argo: true,
        crd_limit: 100,
        ..Options::default()
    };
    let report = lint_with(&[crd()], &asked);
    let found: BTreeSet<_> = rules(&report).into_iter().collect();
    assert_eq!(
        found,
        BTreeSet::from([Rule::CrdSize, Rule::CrdKeep, Rule::CrdArgo])
    );
    let mut loose = crd();
    loose["spec"]["preserveUnknownFields"] = json!(true);
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({"description": "no type"});
    assert_eq!(
        messages(&lint(&[loose]), Rule::CrdSchema),
        [
            "spec.preserveUnknownFields is true",
            "the schema of version v1 has no type at \".spec\"",
        ]
    );
    let mut none = crd();
    none["spec"]["versions"][0]
        .as_object_mut()
        .expect("an object")
        .remove("schema");
    assert_eq!(
        messages(&lint(&[none]), Rule::CrdSchema),
        ["version v1 has no schema"]
    );
}

#[test]
fn habits_are_warned_about_and_can_be_ignored() {
    let bare = object(
        "batch/v1",
        "Job",
        "j",
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "c", "image": "registry.example/c"},
        ]}}}}),
    );
    let report = lint(std::slice::from_ref(&bare));
    let warnings: BTreeSet<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(|finding| finding.rule)
        .collect();
    let expected = BTreeSet::from([
        Rule::ResourcesMissing,
        Rule::RootFilesystemWritable,
        Rule::ServiceAccountTokenImplicit,
        Rule::ImageTag,
        Rule::ServiceLinks,
    ]);
    assert_eq!(warnings, expected, "a job needs no probes");
    let options = Options {
        ignore: expected,
        ..Options::default()
    };
    assert_eq!(lint_with(&[bare], &options).count(Severity::Warning), 0);
    let mut web = deployment();
    web["spec"]["template"]["spec"]["containers"][0]
        .as_object_mut()
        .expect("an object")
        .remove("livenessProbe");
    assert_eq!(
        messages(&lint(&[web]), Rule::ProbeMissing),
        ["has no livenessProbe"]
    );
}

#[test]
fn lists_are_taken_apart_and_what_is_no_object_is_said() {
    let report = lint(&[
        json!({"apiVersion": "v1", "kind": "List", "items": [object("v1", "ConfigMap", "a", json!({"dat": {}}))]}),
        json!({"kind": "ConfigMap"}),
        json!("text"),
    ]);
    assert_eq!(report.objects, 3);
    assert_eq!(report.of(Rule::UnknownField).count(), 1);
    assert_eq!(
        messages(&report, Rule::NotAnObject),
        [
            "has no apiVersion, no metadata.name",
            "has no apiVersion, no kind, no metadata.name"
        ]
    );
}

#[test]
fn a_finding_reads_like_a_compilers_and_is_json_for_programs() {
    let mut web = deployment();
    web["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = json!(true);
    let text = format!("---\n# Source: web/templates/web.yaml\n{web}\n");
    let options = Options {
        openshift: None,
        ..Options::default()
    };
    let report = lint_text("stdin", &text, &options);
    assert_eq!(
        report.to_string(),
        "stdin:3 (document 1, web/templates/web.yaml): error[psa-privileged]: Deployment web, \
         container \"web\": is privileged\n    help: remove privileged: true\n\
         1 objects: 1 errors, 0 warnings, 0 notes"
    );
    assert_eq!(
        serde_json::to_value(&report).expect("json"),
        json!({"objects": 1, "findings": [{
            "rule": "psa-privileged", "severity": "error", "file": "stdin", "template": "web/templates/web.yaml",
            "document": 1, "line": 3, "object": "Deployment web", "container": "web",
            "message": "is privileged", "advice": "remove privileged: true",
        }]})
    );
}

#[test]
fn a_folder_is_one_release() {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("sub")).expect("made");
    let write = |path: &str, object: &Value| {
        std::fs::write(folder.path().join(path), object.to_string()).expect("written");
    };
    assert!(matches!(
        lint_dir(folder.path(), &Options::default()),
        Err(Error::Empty(_))
    ));
    write("a.yaml", &deployment());
    write("sub/b.json", &deployment());
    write("NOTES.txt", &json!("not looked at"));
    let report = lint_dir(folder.path(), &Options::default()).expect("read");
    assert_eq!(rules(&report), [Rule::DuplicateObject]);
    assert_eq!(report.findings[0].place.file, "sub/b.json");
    let states = std::iter::successors(Some(1u64), |s| {
        Some(s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    });
    let blob: Vec<u8> = states.take(400_000).map(|s| s.to_be_bytes()[0]).collect();
    std::fs::write(chart.path().join("blob"), blob).expect("written");
    let options = Options {
        chart: Some(chart.path().to_owned()),
        ..Options::default()
    };
    let report = lint_dir(folder.path(), &options).expect("read");
    assert_eq!(report.of(Rule::ReleaseSize).count(), 1);
    std::fs::write(folder.path().join("Chart.yaml"), "").expect("written");
    assert!(matches!(
        lint_dir(folder.path(), &Options::default()),
        Err(Error::NotRendered(_))
    ));
    assert!(matches!(
        lint_dir(&folder.path().join("none"), &Options::default()),
        Err(Error::Read { .. })
    ));
}
