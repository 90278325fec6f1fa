//! What each value does, and that it does nothing else.

use chartgen_lint::Rule;
use serde_json::{Value, json};

use crate::support::{Case, charts, helms};

const POD: &str = "Deployment rel-fleet-operator/spec/template/spec";

/// What values change against the defaults.
#[track_caller]
fn changes(values: Value) -> Vec<String> {
    let case = Case::operator().values(values);
    Case::operator().objects().changes(&case.objects())
}

/// Values change one place and nothing else.
#[track_caller]
fn only(values: Value, change: &str) {
    assert_eq!(changes(values), [change]);
}

#[test]
fn the_charts_pass_helms_own_linter() {
    for chart in ["fleet-crds", "fleet-operator"] {
        let chart = charts().join(chart);
        for helm in helms() {
            let args = ["lint", "--strict", "--kube-version", "1.36.3"];
            let args = args.into_iter().chain([crate::support::path(&chart)]);
            helm.run(&args.collect::<Vec<_>>()).expect("linted");
        }
    }
}

#[test]
fn on_openshift_the_same_is_installed() {
    let apis = ["--api-versions", "security.openshift.io/v1"];
    for case in [Case::operator(), Case::crds()] {
        let objects = case.objects();
        assert_eq!(
            objects.changes(&case.args(apis).objects()),
            Vec::<String>::new()
        );
    }
    let text = Case::operator().text();
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(
            !text.contains(&format!("{id}:")),
            "{id} is OpenShift's to choose"
        );
    }
}

#[test]
fn arguments_follow_their_values() {
    let key = |letter: &str| format!("{}=", letter.repeat(43));
    let values = json!({
        "nats": {"url": "tls://a:4222,tls://b:4222", "streamReplicas": 3},
        "devices": {"heartbeatPeriodSeconds": 5, "staleAfterSeconds": 17, "unenrolledLabels": "none"},
        "leaderElection": {"leaseDurationSeconds": 9},
        "log": {"format": "text"},
        "metrics": {"port": 9090},
        "signing": {"announcedKeys": [key("a"), key("b")], "retiredKeys": [key("c")]},
        "extraArgs": ["--identity={{ .Release.Name }}", "--x=on"],
    });
    let objects = Case::operator().values(values).objects();
    assert_eq!(
        objects.args(),
        [
            "run",
            "--signing-key-file=/etc/fleet/signing/manifest.key",
            "--nats-seed-file=/etc/fleet/nats/seed",
            "--nats-url=tls://a:4222,tls://b:4222",
            "--stream-replicas=3",
            "--metrics-addr=0.0.0.0:9090",
            "--heartbeat-period=5",
            "--unenrolled-labels=none",
            "--lease-name=rel-fleet-operator",
            "--lease-duration=9",
            "--log-format=text",
            "--stale-after=17",
            &format!("--announced-keys={},{}", key("a"), key("b")),
            &format!("--retired-keys={}", key("c")),
            // Only the strings of `extraObjects` are templates.
            "--identity={{ .Release.Name }}",
            "--x=on",
        ]
    );
    assert_eq!(objects.container()["ports"][0]["containerPort"], 9090);
    let service = &objects.only("Service")["spec"]["ports"][0];
    assert_eq!(
        (&service["port"], &service["targetPort"]),
        (&json!(9090), &json!("metrics"))
    );
}

#[test]
fn secrets_are_mounted_under_any_name_and_key() {
    let values = json!({
        "nats": {
            "existingSecret": {"name": "bus", "key": "y"},
            "ca": {"name": "trust", "key": "root.pem"},
        },
        "signing": {"existingSecret": {"name": "signer", "key": "1e3"}},
    });
    let objects = Case::operator().values(values).objects();
    let secret = |volume: &str, secret: &str, key: &str, file: &str| {
        let items = json!([{"key": key, "path": file}]);
        let secret = json!({"secretName": secret, "items": items, "defaultMode": 0o444});
        json!({"name": volume, "secret": secret})
    };
    let volumes = json!([
        secret("signing", "signer", "1e3", "manifest.key"),
        secret("nats", "bus", "y", "seed"),
        secret("nats-ca", "trust", "root.pem", "ca.crt"),
    ]);
    assert_eq!(objects.pod()["volumes"], volumes);
    assert!(
        objects
            .args()
            .contains(&"--nats-ca-file=/etc/fleet/nats-ca/ca.crt")
    );
    for mount in objects.container()["volumeMounts"].as_array().expect("all") {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
}

#[test]
fn images_come_from_the_registry_and_version_that_is_wanted() {
    let version = env!("CARGO_PKG_VERSION");
    let digest = format!("sha256:{}", "0a".repeat(32));
    let cases = [
        (json!({}), format!("localhost/fleet-operator:{version}")),
        (
            json!({"image": {"registry": "r.example.com:5000/mirror", "repository": "a/b"}}),
            format!("r.example.com:5000/mirror/a/b:{version}"),
        ),
        (
            json!({"image": {"registry": ""}}),
            format!("fleet-operator:{version}"),
        ),
        (
            json!({"global": {"imageRegistry": "mirror.example.com"}, "image": {"registry": "r.example.com"}}),
            format!("mirror.example.com/fleet-operator:{version}"),
        ),
        (
            json!({"image": {"tag": "1e3"}}),
            "localhost/fleet-operator:1e3".to_owned(),
        ),
        (
            json!({"image": {"tag": "edge", "digest": digest}}),
            format!("localhost/fleet-operator:edge@{digest}"),
        ),
    ];
    for (values, image) in cases {
        let objects = Case::operator().values(values).objects();
        assert_eq!(objects.container()["image"], image);
    }
    let always = json!({"image": {"pullPolicy": "Always"}});
    let place = format!("{POD}/containers/0/imagePullPolicy: \"IfNotPresent\" -> \"Always\"");
    only(always, &place);
}

#[test]
fn secrets_of_registries_are_joined_each_once() {
    let values = json!({
        "global": {"imagePullSecrets": [{"name": "all"}, {"name": "y"}]},
        "imagePullSecrets": [{"name": "own"}, {"name": "all"}],
    });
    let secrets = r#"[{"name":"all"},{"name":"y"},{"name":"own"}]"#;
    only(values, &format!("{POD}/imagePullSecrets: + {secrets}"));
    let own = json!({"imagePullSecrets": [{"name": "own"}]});
    only(
        own,
        &format!(r#"{POD}/imagePullSecrets: + [{{"name":"own"}}]"#),
    );
}

#[test]
fn labels_of_the_user_are_everywhere_and_change_no_selector() {
    let values = json!({
        "commonLabels": {
            "team": "robots", "on": "y", "count": "1e3",
            "app.kubernetes.io/name": "mine", "app.kubernetes.io/instance": "mine",
            "helm.sh/chart": "mine",
        },
        "podLabels": {"app.kubernetes.io/name": "mine", "team": "pods", "extra": "no"},
        "metrics": {
            "serviceMonitor": {"enabled": true, "labels": {"release": "prom", "app.kubernetes.io/name": "x"}},
            "prometheusRule": {"enabled": true, "labels": {"release": "prom"}},
        },
    });
    let base = Case::operator().objects();
    let objects = Case::operator().values(values).objects();
    for (name, object) in &objects.0 {
        let labels = &object["metadata"]["labels"];
        let expected = json!(["robots", "y", "1e3", "fleet-operator", "rel"]);
        let found = [
            "team",
            "on",
            "count",
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
        ];
        assert_eq!(json!(found.map(|label| &labels[label])), expected, "{name}");
        let monitoring =
            ["ServiceMonitor", "PrometheusRule"].contains(&object["kind"].as_str().expect("text"));
        assert_eq!(
            labels.get("release"),
            monitoring.then(|| Value::from("prom")).as_ref(),
            "{name}"
        );
    }
    let spec = &objects.deployment()["spec"];
    assert_eq!(spec["selector"], base.deployment()["spec"]["selector"]);
    let labels = &spec["template"]["metadata"]["labels"];
    // A label that both name is that of all objects.
    assert_eq!(labels["team"], "robots");
    assert_eq!(labels["extra"], "no");
    assert_eq!(labels["app.kubernetes.io/name"], "fleet-operator");
}

#[test]
fn annotations_are_everywhere_and_those_of_definitions_add_to_ours() {
    let values = json!({
        "commonAnnotations": {"a": "common", "b": "{{ not a template }}"},
        "podAnnotations": {"c": "no", "kubectl.kubernetes.io/default-container": "other"},
        "serviceAccount": {"annotations": {"cloud": "role", "a": "own"}},
        "metrics": {"service": {"annotations": {"scrape": "true"}}},
        "crds": {"annotations": {"d": "1", "helm.sh/resource-policy": "delete"}},
    });
    let objects = Case::operator().values(values).objects();
    let annotations = |name: &str| objects.get(name)["metadata"]["annotations"].clone();
    let common = json!({"a": "common", "b": "{{ not a template }}"});
    assert_eq!(annotations("Deployment rel-fleet-operator"), common);
    assert_eq!(annotations("ClusterRole rel-fleet-operator"), common);
    let account = annotations("ServiceAccount rel-fleet-operator");
    assert_eq!(account["cloud"], "role");
    assert_eq!(account["b"], "{{ not a template }}");
    assert_eq!(
        annotations("Service rel-fleet-operator-metrics")["scrape"],
        "true"
    );
    let definition = annotations("CustomResourceDefinition devices.fleet.nationtech.io");
    assert_eq!(definition["d"], "1");
    assert_eq!(definition["helm.sh/resource-policy"], "keep");
    let pod = &objects.deployment()["spec"]["template"]["metadata"]["annotations"];
    let expected = json!({"c": "no", "kubectl.kubernetes.io/default-container": "operator"});
    assert_eq!(*pod, expected);
}

#[test]
fn scheduling_is_the_users() {
    let tolerations = json!([{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}]);
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "on", "operator": "In", "values": ["y", "no"]}]}],
    }}});
    let constraints = json!([{
        "maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"a": "b"}},
    }]);
    let values = json!({
        "tolerations": tolerations, "affinity": affinity,
        "topologySpread": {"constraints": constraints},
        "nodeSelector": {"kubernetes.io/arch": "arm64", "y": "n"},
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 60,
    });
    let objects = Case::operator().values(values).objects();
    let pod = objects.pod();
    assert_eq!(pod["tolerations"], tolerations);
    assert_eq!(pod["affinity"], affinity);
    assert_eq!(pod["topologySpreadConstraints"], constraints);
    let nodes = json!({"kubernetes.io/arch": "arm64", "y": "n"});
    assert_eq!(pod["nodeSelector"], nodes);
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert_eq!(pod["terminationGracePeriodSeconds"], 60);
}

#[test]
fn replicas_are_spread_without_demanding_it() {
    let objects = Case::operator().objects();
    let constraints = &objects.pod()["topologySpreadConstraints"];
    let selector = &objects.deployment()["spec"]["selector"];
    for (index, topology) in ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        .into_iter()
        .enumerate()
    {
        let constraint = &constraints[index];
        assert_eq!(constraint["topologyKey"], topology);
        assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway");
        assert_eq!(constraint["labelSelector"], *selector);
    }
}

#[test]
fn what_the_container_gets_beside_ours_is_the_users() {
    let env = json!([
        {"name": "ON", "value": "on"},
        {"name": "EXP", "value": "1e3"},
        {"name": "BRACES", "value": "{{ .Release.Name }}"},
        {"name": "LINES", "value": "a\nb: c\n"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]);
    let volume = json!({"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}});
    let mount = json!({"name": "tmp", "mountPath": "/tmp"});
    let values = json!({
        "extraEnv": env, "extraVolumes": [volume], "extraVolumeMounts": [mount],
        "log": {"filter": "info,fleet_operator=debug"},
        "resources": {"limits": {"memory": null, "cpu": "1"}, "requests": {"cpu": 2}},
        "livenessProbe": {"periodSeconds": 7}, "readinessProbe": {"failureThreshold": 9},
    });
    let objects = Case::operator().values(values).objects();
    let container = objects.container();
    let found = container["env"].as_array().expect("a list");
    assert_eq!(found[3..], *env.as_array().expect("a list"));
    let filter = json!({"name": "RUST_LOG", "value": "info,fleet_operator=debug"});
    assert_eq!(found[2], filter);
    assert_eq!(objects.pod()["volumes"][2], volume);
    assert_eq!(container["volumeMounts"][2], mount);
    let resources = json!({"limits": {"cpu": "1"}, "requests": {"cpu": 2, "memory": "64Mi"}});
    assert_eq!(container["resources"], resources);
    assert_eq!(container["livenessProbe"]["periodSeconds"], 7);
    assert_eq!(container["readinessProbe"]["failureThreshold"], 9);
}

#[test]
fn a_security_context_adds_to_ours_and_cannot_weaken_it() {
    let values = json!({"podSecurityContext": {
        "supplementalGroups": [7], "runAsNonRoot": false, "seccompProfile": {"type": "Unconfined"},
    }});
    only(
        values,
        &format!("{POD}/securityContext/supplementalGroups: + [7]"),
    );
    // Where the cluster does not choose the user, a person may.
    let user = Case::operator()
        .values(json!({"podSecurityContext": {"runAsUser": 1000}}))
        .warns(Rule::SccRunAsUser);
    assert_eq!(user.objects().pod()["securityContext"]["runAsUser"], 1000);
}

#[test]
fn objects_of_the_user_are_templates() {
    let map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    let values = json!({"extraObjects": [
        map("{{ .Release.Name }}-first", json!({
            "where": "{{ .Release.Namespace }}",
            "full": "{{ include \"fleet-operator.fullname\" . }}",
            "literal": "{{ \"{{\" }} $value }}",
            "on": "1e3",
            "lines": "a: b\n---\nc: d\n",
        })),
        map("second", json!({"y": "n"})),
    ]});
    let base = Case::operator().objects();
    let objects = Case::operator().values(values).objects();
    let came = ["+ ConfigMap rel-first", "+ ConfigMap second"];
    assert_eq!(base.changes(&objects), came);
    let data = json!({
        "where": "fleet-system", "full": "rel-fleet-operator", "literal": "{{ $value }}",
        "on": "1e3", "lines": "a: b\n---\nc: d\n",
    });
    assert_eq!(objects.get("ConfigMap rel-first")["data"], data);
    assert_eq!(objects.get("ConfigMap second")["data"], json!({"y": "n"}));
}

#[test]
fn the_network_policy_opens_what_is_named() {
    let peers = json!([{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]);
    let rule = json!({"ports": [{"port": 5432}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]});
    let values = json!({"networkPolicy": {
        "enabled": true, "apiServerPorts": [8443], "natsPorts": [4222, 4223],
        "metricsFrom": peers, "extraEgress": [rule],
    }});
    let objects = Case::operator().values(values).objects();
    let spec = &objects.only("NetworkPolicy")["spec"];
    let ports = |ports: &[u16]| {
        let ports = ports
            .iter()
            .map(|port| json!({"port": port, "protocol": "TCP"}));
        json!({"ports": ports.collect::<Vec<_>>()})
    };
    assert_eq!(spec["egress"][1], ports(&[8443]));
    assert_eq!(spec["egress"][2], ports(&[4222, 4223]));
    assert_eq!(spec["egress"][3], rule);
    assert_eq!(spec["ingress"][0]["from"], peers);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        spec["podSelector"],
        objects.deployment()["spec"]["selector"]
    );
    // A rule without ports would open all of them.
    let none = json!({"networkPolicy": {"enabled": true, "apiServerPorts": [], "natsPorts": []}});
    let none = Case::operator().values(none).objects();
    let egress = none.only("NetworkPolicy")["spec"]["egress"].as_array();
    assert_eq!(egress.expect("a list").len(), 1, "only name resolution");
}

#[test]
fn monitoring_asks_the_service_and_wakes_people_when_told() {
    let values = json!({"metrics": {
        "serviceMonitor": {"enabled": true, "interval": "1m30s"},
        "prometheusRule": {"enabled": true, "staleDevicesPercent": 25},
    }});
    let objects = Case::operator().values(values).objects();
    let monitor = &objects.only("ServiceMonitor")["spec"];
    let service = objects.only("Service");
    let labels = service["metadata"]["labels"].as_object().expect("labels");
    for (key, value) in monitor["selector"]["matchLabels"]
        .as_object()
        .expect("labels")
    {
        assert_eq!(labels.get(key), Some(value));
    }
    let endpoint = &monitor["endpoints"][0];
    assert_eq!(endpoint["interval"], "1m30s");
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    let rules = &objects.only("PrometheusRule")["spec"]["groups"][0]["rules"];
    let rules = rules.as_array().expect("a list");
    let stale = rules.iter().find(|r| r["alert"] == "FleetDevicesStale");
    let expr = "100 * sum(fleet_devices_stale) / sum(fleet_devices) > 25";
    assert_eq!(stale.expect("the alert")["expr"], expr);
    // Prometheus' own templates arrive as they are.
    let text = |rule: &Value| rule["annotations"]["summary"].to_string();
    assert!(rules.iter().any(|r| text(r).contains("{{ $value }}")));
}

#[test]
fn as_part_of_an_umbrella_it_may_be_switched_by_a_condition() {
    let values = json!({"enabled": true, "global": {"somebodyElses": {"key": 1}}});
    assert_eq!(changes(values), Vec::<String>::new());
}
