//! What people expect of any chart, item by item, on what ours render to. What is left out on purpose
//! stands here with its reason.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[allow(dead_code, reason = "shared with the tests of the other charts")]
#[path = "charts/support.rs"]
mod support;

use std::fs;

use serde_json::{Map, Value, json};

use support::{Case, Objects, charts};

/// The groups of values that describe pods: at the top, or below a key.
const AUTH: [&str; 5] = [
    "callout",
    "enrolment",
    "secretsJob",
    "openbaoJob",
    "zitadelJob",
];

/// A chart, with what it must be told and nothing else.
struct Subject {
    name: &'static str,
    case: Case,
    groups: &'static [&'static str],
}

fn subjects() -> [Subject; 2] {
    let auth = Case::of(&charts().join("fleet-auth")).values(json!({
        "oidc": {"issuer": "https://id.example", "project": "1", "organisation": "2"},
        "openbao": {"address": "https://bao.example:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example"]},
        "zitadelJob": {"enabled": true},
    }));
    [
        Subject {
            name: "fleet-operator",
            case: Case::operator(),
            groups: &[""],
        },
        Subject {
            name: "fleet-auth",
            case: auth,
            groups: &AUTH,
        },
    ]
}

impl Subject {
    /// With the same for the pods of every program.
    fn pods(&self, values: &Value) -> Objects {
        let groups = self.groups.iter();
        let case = groups.fold(self.case.clone(), |case, group| {
            case.values(below(group, values))
        });
        case.objects()
    }

    fn with(&self, values: Value) -> Objects {
        self.case.clone().values(values).objects()
    }
}

fn below(group: &str, values: &Value) -> Value {
    if group.is_empty() {
        return values.clone();
    }
    Value::Object(Map::from_iter([(group.to_owned(), values.clone())]))
}

/// Deployments and Jobs with their names and their pods' specs.
fn workloads(objects: &Objects) -> Vec<(&str, &Value)> {
    let found = objects
        .0
        .iter()
        .filter_map(|(name, object)| Some((name.as_str(), object.pointer("/spec/template/spec")?)));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty());
    found
}

fn is_deployment(name: &str) -> bool {
    name.starts_with("Deployment ")
}

fn containers(pod: &Value) -> &Vec<Value> {
    pod["containers"].as_array().expect("containers")
}

fn text(chart: &str, file: &str) -> String {
    fs::read_to_string(charts().join(chart).join(file)).expect(file)
}

#[test]
fn pods_are_restricted_and_say_what_they_need() {
    for subject in subjects() {
        let objects = subject.case.objects();
        for (name, pod) in workloads(&objects) {
            assert!(
                pod["automountServiceAccountToken"].is_boolean(),
                "{name}: said, not left open"
            );
            assert_eq!(pod["enableServiceLinks"], false, "{name}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{name}"
            );
            assert_ne!(pod["serviceAccountName"], "default", "{name}");
            for container in containers(pod) {
                let context = &container["securityContext"];
                assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{name}");
                for resource in ["cpu", "memory"] {
                    let asked = &container["resources"]["requests"][resource];
                    assert!(asked.is_string(), "{name}: {resource}");
                }
                assert!(
                    container["resources"]["limits"]["memory"].is_string(),
                    "{name}"
                );
                // A limit of processor time would slow down what has the time: nobody gains by it.
                assert!(
                    container["resources"]["limits"].get("cpu").is_none(),
                    "{name}"
                );
                for probe in ["livenessProbe", "readinessProbe"] {
                    // A Job ends by itself, and says so.
                    assert_eq!(
                        container.get(probe).is_some(),
                        is_deployment(name),
                        "{name}: {probe}"
                    );
                }
            }
            if is_deployment(name) {
                assert!(pod["terminationGracePeriodSeconds"].is_u64(), "{name}");
                let spread = pod["topologySpreadConstraints"].as_array();
                assert_eq!(spread.map(Vec::len), Some(2), "{name}");
            }
        }
    }
}

#[test]
fn what_pods_run_on_and_beside_is_the_users() {
    let toleration = json!({"key": "edge", "operator": "Exists"});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}],
    }}});
    let variable = json!({"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"});
    let (volume, mount) = (
        json!({"name": "extra", "emptyDir": {}}),
        json!({"name": "extra", "mountPath": "/extra"}),
    );
    let values = json!({
        "tolerations": [toleration], "affinity": affinity, "nodeSelector": {"disk": "fast"},
        "priorityClassName": "high", "extraEnv": [variable], "extraVolumes": [volume],
        "extraVolumeMounts": [mount], "extraArgs": ["--extra"],
        "podLabels": {"team": "robots"}, "podAnnotations": {"a": "b"},
        "resources": {"requests": {"cpu": "7m"}}, "podSecurityContext": {"supplementalGroups": [7]},
        "serviceAccount": {"annotations": {"cloud": "role"}},
    });
    for subject in subjects() {
        let objects = subject.pods(&values);
        for (name, pod) in workloads(&objects) {
            assert_eq!(pod["tolerations"], json!([toleration]), "{name}");
            assert_eq!(pod["affinity"], affinity, "{name}");
            assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}), "{name}");
            assert_eq!(pod["priorityClassName"], "high", "{name}");
            assert_eq!(
                pod["securityContext"]["supplementalGroups"],
                json!([7]),
                "{name}"
            );
            let holds =
                |list: &Value, item: &Value| list.as_array().is_some_and(|l| l.contains(item));
            assert!(holds(&pod["volumes"], &volume), "{name}");
            let container = &containers(pod)[0];
            assert!(holds(&container["env"], &variable), "{name}");
            assert!(holds(&container["volumeMounts"], &mount), "{name}");
            assert!(holds(&container["args"], &json!("--extra")), "{name}");
            assert_eq!(container["resources"]["requests"]["cpu"], "7m", "{name}");
            let metadata = &objects.get(name)["spec"]["template"]["metadata"];
            assert_eq!(metadata["labels"]["team"], "robots", "{name}");
            assert_eq!(metadata["annotations"]["a"], "b", "{name}");
            let account = pod["serviceAccountName"].as_str().expect("an account");
            let account = objects.get(&format!("ServiceAccount {account}"));
            assert_eq!(
                account["metadata"]["annotations"]["cloud"], "role",
                "{name}"
            );
        }
    }
    let values = json!({
        "terminationGracePeriodSeconds": 77,
        "topologySpread": {"constraints": [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]},
    });
    for subject in subjects() {
        let groups = subject
            .groups
            .iter()
            .filter(|group| !group.ends_with("Job"));
        let case = groups.fold(subject.case, |case, group| {
            case.values(below(group, &values))
        });
        let objects = case.objects();
        for (name, pod) in workloads(&objects)
            .iter()
            .filter(|(name, _)| is_deployment(name))
        {
            assert_eq!(pod["terminationGracePeriodSeconds"], 77, "{name}");
            assert_eq!(
                pod["topologySpreadConstraints"][0]["topologyKey"], "rack",
                "{name}"
            );
        }
    }
}

#[test]
fn images_can_come_from_elsewhere_and_be_pinned() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let values = json!({
        "global": {"imageRegistry": "mirror.example:5000", "imagePullSecrets": [{"name": "all"}]},
        "imagePullSecrets": [{"name": "own"}],
        "image": {"repository": "ours/x", "tag": "v7", "digest": digest, "pullPolicy": "Always"},
    });
    for subject in subjects() {
        let objects = subject.with(values.clone());
        for (name, pod) in workloads(&objects) {
            let image = format!("mirror.example:5000/ours/x:v7@{digest}");
            assert_eq!(containers(pod)[0]["image"], image, "{name}");
            assert_eq!(containers(pod)[0]["imagePullPolicy"], "Always", "{name}");
            assert_eq!(
                pod["imagePullSecrets"],
                json!([{"name": "all"}, {"name": "own"}]),
                "{name}"
            );
        }
        // By default no digest: the images of a version are pushed after the chart that names them is
        // written, to a registry of whoever builds them.
        let objects = subject.case.objects();
        for (name, pod) in workloads(&objects) {
            let image = containers(pod)[0]["image"].as_str().expect("an image");
            assert!(
                image.ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))),
                "{name}: {image}"
            );
        }
    }
}

#[test]
fn objects_carry_what_the_user_wants_and_the_users_own_join_them() {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "{{ .Release.Name }}-more", "namespace": "{{ .Release.Namespace }}"},
    });
    let values = json!({
        "commonLabels": {"team": "robots"}, "commonAnnotations": {"a": "b"}, "extraObjects": [map],
    });
    for subject in subjects() {
        let objects = subject.with(values.clone());
        assert!(
            objects.0.contains_key("ConfigMap rel-more"),
            "{}",
            subject.name
        );
        for (name, object) in &objects.0 {
            // The user's own, and definitions, which have annotations of their own.
            if name == "ConfigMap rel-more" {
                continue;
            }
            assert_eq!(object["metadata"]["labels"]["team"], "robots", "{name}");
            if object["kind"] != "CustomResourceDefinition" {
                assert_eq!(object["metadata"]["annotations"]["a"], "b", "{name}");
            }
        }
    }
}

#[test]
fn what_watches_guards_and_opens_is_switched_by_values() {
    let kinds = [
        "ServiceMonitor",
        "PrometheusRule",
        "NetworkPolicy",
        "PodDisruptionBudget",
    ];
    let on = json!({
        "metrics": {"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}},
        "networkPolicy": {"enabled": true},
    });
    for subject in subjects() {
        let objects = subject.case.objects();
        for kind in kinds {
            assert_eq!(objects.of(kind).count(), 0, "{}: {kind}", subject.name);
        }
        // One replica and a budget would keep a node from being drained for ever.
        let groups = subject
            .groups
            .iter()
            .filter(|group| !group.ends_with("Job"));
        let two = json!({"replicas": 2});
        let case = groups.fold(subject.case.clone(), |case, group| {
            case.values(below(group, &two))
        });
        let objects = case.values(on.clone()).objects();
        let deployments = objects.of("Deployment").count();
        for kind in kinds {
            let count = objects.of(kind).count();
            assert!(count >= deployments, "{}: {count} of {kind}", subject.name);
        }
        for (name, policy) in objects
            .0
            .iter()
            .filter(|(_, o)| o["kind"] == "NetworkPolicy")
        {
            // What is not named is refused, both ways, and names can be resolved.
            assert_eq!(
                policy["spec"]["policyTypes"],
                json!(["Ingress", "Egress"]),
                "{name}"
            );
            let dns = |port: &Value| port["port"] == 53;
            let rules = policy["spec"]["egress"].as_array().expect("rules");
            let named = rules
                .iter()
                .filter_map(|rule| rule["ports"].as_array())
                .flatten();
            assert!(named.clone().any(dns), "{name}");
        }
    }
}

#[test]
fn roles_name_what_they_allow_and_leadership_is_of_the_namespace() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let mut leases = 0;
        for (name, role) in &objects.0 {
            for rule in role["rules"].as_array().into_iter().flatten() {
                assert!(!rule.to_string().contains("\"*\""), "{name}: {rule}");
                let about_leases = rule["resources"] == json!(["leases"]);
                leases += usize::from(about_leases);
                assert!(!about_leases || role["kind"] == "Role", "{name}: {rule}");
            }
        }
        assert!(leases > 0, "{}", subject.name);
    }
    let objects = Case::operator().objects();
    for role in ["view", "edit", "admin"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        let joins = |object: &&Value| object["metadata"]["labels"][&label] == "true";
        assert!(objects.of("ClusterRole").any(|o| joins(&o)), "{role}");
    }
}

#[test]
fn no_chart_makes_a_namespace_but_that_of_tokens() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let names: Vec<_> = objects
            .of("Namespace")
            .map(|n| n["metadata"]["name"].clone())
            .collect();
        // Enrolment tokens are Secrets which the service reads by names that it cannot know before, so
        // they lie apart from all others; and the namespace is made with the chart, or each
        // installation would begin with an error. It can be switched off.
        let expected = if subject.name == "fleet-auth" {
            vec![json!("fleet-enrolment")]
        } else {
            Vec::new()
        };
        assert_eq!(names, expected, "{}", subject.name);
        let off = json!({"enrolmentTokens": {"createNamespace": false}});
        if subject.name == "fleet-auth" {
            assert_eq!(subject.with(off).of("Namespace").count(), 0);
        }
        let secrets: Vec<_> = objects.of("Secret").collect();
        assert!(secrets.is_empty(), "{}: {secrets:?}", subject.name);
    }
}

#[test]
fn a_changed_configuration_of_the_chart_reaches_its_pods() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let made: Vec<_> = objects
            .of("ConfigMap")
            .map(|map| map["metadata"]["name"].clone())
            .collect();
        for (name, pod) in workloads(&objects) {
            let volumes = pod["volumes"].as_array().into_iter().flatten();
            let mut own = volumes.filter(|volume| made.contains(&volume["configMap"]["name"]));
            if own.next().is_none() {
                continue;
            }
            // It reads the rules of approval anew for each device (`auth/tests/enrolment/policy.rs`), so a
            // checksum over them would only restart it.
            if name == "Deployment rel-fleet-auth-enrolment" {
                continue;
            }
            let annotations = &objects.get(name)["spec"]["template"]["metadata"]["annotations"];
            let annotations = annotations.as_object().expect("annotations");
            let sum = annotations.keys().any(|key| key.starts_with("checksum/"));
            assert!(
                sum,
                "{name}: mounts what the chart makes, and would not notice a change"
            );
        }
    }
}

#[test]
fn every_chart_says_where_it_runs_who_looks_after_it_and_what_its_values_are() {
    for chart in [
        "fleet-auth",
        "fleet-crds",
        "fleet-operator",
        "fleet-platform",
    ] {
        let meta = text(chart, "Chart.yaml");
        for line in [
            "kubeVersion: ",
            "maintainers:",
            "appVersion: ",
            "description: ",
        ] {
            assert!(meta.contains(line), "{chart}: {line}");
        }
        let schema: Value = serde_json::from_str(&text(chart, "values.schema.json")).expect("JSON");
        assert_eq!(schema["additionalProperties"], false, "{chart}");
        assert!(
            text(chart, "README.md").contains("| Key | Type | Default | Description |"),
            "{chart}"
        );
        // Definitions need no words after they are installed.
        let notes = charts().join(chart).join("templates/NOTES.txt").exists();
        assert_eq!(notes, chart != "fleet-crds", "{chart}");
    }
    for (case, chart) in [
        (Case::crds(), "fleet-crds"),
        (Case::operator(), "fleet-operator"),
    ] {
        for said in case.values(json!({"nosuch": 1})).refused() {
            assert!(said.contains("nosuch"), "{chart}: {said}");
        }
    }
}
