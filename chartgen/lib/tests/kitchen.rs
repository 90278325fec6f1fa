//! A chart with everything in it, as both Helms render it for different values.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use chartgen::common::{
    Annotations, FreeForm, FreeFormList, Global, Image, IntOrString, Labels, PullSecret, Resources,
    ServiceAccount, Toggle,
};
use chartgen::tree::{Part, entry, item};
use chartgen::{
    Chart, ChartMeta, Cond, Document, Expr, Kind, Node, Notes, Template, helpers, text, v,
};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, PodSpec, PodTemplateSpec, ResourceRequirements, Service,
    ServicePort, ServiceSpec, Toleration,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Values {
    name_override: String,
    fullname_override: String,
    common_labels: Labels,
    common_annotations: Annotations,
    pod_annotations: Annotations,
    global: Global,
    image: Image,
    image_pull_secrets: Vec<PullSecret>,
    service_account: ServiceAccount,
    replicas: u32,
    autoscaling: Toggle,
    log: String,
    verbose: bool,
    ratio: f64,
    grace: Option<i64>,
    priority_class: Option<String>,
    resources: Resources,
    tolerations: FreeFormList,
    affinity: FreeForm,
    extra_env: FreeFormList,
    port: IntOrString,
    names: Vec<String>,
    hosts: Vec<Host>,
    settings: BTreeMap<String, String>,
    greeting: String,
    monitor: Toggle,
    extra_objects: FreeFormList,
}

#[derive(Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Host {
    host_name: String,
    weight: u32,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            name_override: String::new(),
            fullname_override: String::new(),
            common_labels: Labels::default(),
            common_annotations: Annotations::default(),
            pod_annotations: Annotations::default(),
            global: Global::default(),
            image: Image::of("registry.example.com", "team/app"),
            image_pull_secrets: Vec::new(),
            service_account: ServiceAccount::default(),
            replicas: 1,
            autoscaling: Toggle { enabled: false },
            log: "info".into(),
            verbose: false,
            ratio: 0.5,
            grace: None,
            priority_class: None,
            resources: Resources::default().request("cpu", "50m"),
            tolerations: FreeFormList::default(),
            affinity: FreeForm::default(),
            extra_env: FreeFormList::default(),
            port: IntOrString::Int(8080),
            names: vec!["a".into(), "b".into()],
            hosts: Vec::new(),
            settings: BTreeMap::new(),
            greeting: "{{ .Release.Name }} in {{ .Release.Namespace }}".into(),
            monitor: Toggle { enabled: false },
            extra_objects: FreeFormList::default(),
        }
    }
}

fn env(name: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(String::new()),
        ..EnvVar::default()
    }
}

fn deployment() -> Document {
    let container = Container {
        name: "app".into(),
        image: Some(String::new()),
        env: Some(
            ["LOG", "RATIO", "NAMES", "WHERE", "GREETING"]
                .map(env)
                .into(),
        ),
        args: Some(vec!["run".into(), "--verbose".into()]),
        resources: Some(ResourceRequirements::default()),
        ..Container::default()
    };
    let pod = PodSpec {
        affinity: Some(k8s_openapi::api::core::v1::Affinity::default()),
        containers: vec![container],
        image_pull_secrets: Some(Vec::new()),
        priority_class_name: Some("x".into()),
        service_account_name: Some("x".into()),
        termination_grace_period_seconds: Some(30),
        tolerations: Some(Vec::<Toleration>::new()),
        ..PodSpec::default()
    };
    let labelled = |name: Option<&str>| ObjectMeta {
        name: name.map(str::to_owned),
        labels: Some(BTreeMap::new()),
        annotations: Some(BTreeMap::new()),
        ..ObjectMeta::default()
    };
    let object = Deployment {
        metadata: labelled(Some("x")),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector {
                match_labels: Some(BTreeMap::new()),
                ..Default::default()
            },
            template: PodTemplateSpec {
                metadata: Some(labelled(None)),
                spec: Some(pod),
            },
            ..DeploymentSpec::default()
        }),
        status: Some(k8s_openapi::api::apps::v1::DeploymentStatus::default()),
    };
    Document::new(&object)
        .bind("/metadata/name", helpers::fullname())
        .splice("/metadata/labels", helpers::labels())
        .insert("/metadata/labels/app.kubernetes.io~1component", "server")
        .splice("/metadata/annotations", v!(Values, common_annotations))
        .bind("/spec/replicas", v!(Values, replicas))
        .when("/spec/replicas", !Cond::is(v!(Values, autoscaling.enabled)))
        .splice("/spec/selector/matchLabels", helpers::selector_labels())
        .within("/spec/template/metadata", |pod| {
            pod.splice("/labels", helpers::labels())
                .splice("/annotations", v!(Values, pod_annotations))
                .splice("/annotations", v!(Values, common_annotations))
                .insert(
                    "/annotations/checksum~1config",
                    Expr::checksum("config.yaml"),
                )
        })
        .within("/spec/template/spec", pod_overlay)
}

fn pod_overlay(pod: Document) -> Document {
    pod.bind_if_set("/affinity", v!(Values, affinity))
        .splice("/imagePullSecrets", helpers::pull_secrets())
        .bind("/priorityClassName", v!(Values, priority_class))
        .bind("/serviceAccountName", helpers::service_account_name())
        .bind("/terminationGracePeriodSeconds", v!(Values, grace))
        .splice("/tolerations", v!(Values, tolerations))
        .within("/containers/[name=app]", |app| {
            app.bind("/image", helpers::image(v!(Values, image)))
                .insert("/imagePullPolicy", v!(Values, image.pull_policy))
                .bind("/resources", v!(Values, resources))
                .when("/args/1", v!(Values, verbose))
                .bind("/env/[name=LOG]/value", v!(Values, log))
                .bind(
                    "/env/[name=RATIO]/value",
                    text!["p=", v!(Values, ratio), "%"],
                )
                .bind(
                    "/env/[name=NAMES]/value",
                    Expr::join(v!(Values, names), ","),
                )
                .bind(
                    "/env/[name=WHERE]/value",
                    text![
                        Expr::release_namespace(),
                        "/",
                        helpers::fullname_with("config")
                    ],
                )
                .bind(
                    "/env/[name=GREETING]/value",
                    Expr::tpl(v!(Values, greeting)),
                )
                .comment("/env/[name=GREETING]", "Read by people: {{ no template }}")
                .splice("/env", v!(Values, extra_env))
        })
}

fn config() -> Document {
    let object = ConfigMap {
        metadata: ObjectMeta {
            name: Some("x".into()),
            ..ObjectMeta::default()
        },
        data: Some([("alerts".into(), "{{ $labels.x }}\nis on\n".into())].into()),
        ..ConfigMap::default()
    };
    let by_host = Part::each(v!(Values, hosts), |host| {
        let name = host.field(v!(Host, host_name), Kind::Str);
        let weight = host.field(v!(Host, weight), Kind::Int);
        [entry(
            text!["host-", name.clone()],
            text![name, "=", weight, " ", v!(Values, log)],
        )]
    });
    let by_setting = Part::each_entry(v!(Values, settings), |key, value| {
        [entry(text!["set-", key.str()], value.str())]
    });
    let level = Part::when(
        Cond::equals(v!(Values, log), "debug"),
        [entry("debug", "yes")],
    )
    .otherwise([entry("debug", "no")]);
    Document::new(&object)
        .bind("/metadata/name", helpers::fullname_with("config"))
        .add_entries("/data", [by_host, by_setting, level])
}

fn service() -> Document {
    let object = Service {
        metadata: ObjectMeta {
            name: Some("x".into()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort {
                name: Some("http".into()),
                port: 80,
                target_port: Some(
                    k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(8080),
                ),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    Document::new(&object)
        .bind("/metadata/name", helpers::fullname())
        .bind("/spec/ports/[name=http]/targetPort", v!(Values, port))
}

fn role() -> Document {
    let rule = |resource: &str| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.into()]),
        verbs: vec!["get".into()],
        ..PolicyRule::default()
    };
    let object = ClusterRole {
        metadata: ObjectMeta {
            name: Some("x".into()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![rule("pods")]),
        ..ClusterRole::default()
    };
    let nodes = Node::of(&rule("nodes")).expect("a rule");
    Document::new(&object)
        .bind("/metadata/name", helpers::fullname())
        .comment("/rules/0", "It counts pods.")
        .add_items("/rules", [item(nodes).comment("It shows\nwhere they are.")])
}

fn monitor() -> Document {
    Document::new(&json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": ""},
    }))
    .bind("/metadata/name", helpers::fullname())
    .document_when(v!(Values, monitor.enabled))
    .document_when(Cond::api_known("monitoring.coreos.com/v1"))
}

fn chart() -> Chart<Values> {
    let account = Document::new(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "", "annotations": {}},
        "automountServiceAccountToken": true,
    }))
    .bind("/metadata/name", helpers::service_account_name())
    .splice(
        "/metadata/annotations",
        v!(Values, service_account.annotations),
    )
    .bind(
        "/automountServiceAccountToken",
        v!(Values, service_account.automount),
    )
    .document_when(v!(Values, service_account.create));
    Chart::new(ChartMeta {
        name: "kitchen".into(),
        version: "1.2.3+build.4".into(),
        app_version: "4.5.6".into(),
        ..ChartMeta::default()
    })
    .template("account.yaml", account)
    .template("config.yaml", config())
    .template("deployment.yaml", deployment())
    .template("net/service.yaml", [service(), monitor()])
    .template("role.yaml", role())
    .template("extra.yaml", Template::objects(v!(Values, extra_objects)))
    .refuse(
        Cond::is(v!(Values, autoscaling.enabled)).and(Cond::more_than(v!(Values, replicas), 1)),
        "the autoscaler chooses the number of \"replicas\": leave it at 1",
    )
    .notes(
        Notes::new()
            .line(text!["{{ ", Expr::release_name(), " }} runs"])
            .text("")
            .when(v!(Values, verbose), |notes| notes.text("and says so")),
    )
}

fn find<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    let mut of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind.next().unwrap_or_else(|| panic!("no {kind}"))
}

/// Renders with both Helms, which have to agree.
fn render(values: &Value, args: &[&str]) -> Vec<Value> {
    let chart = chart().build().expect("a chart");
    let [four, three] = support::helms().map(|helm| helm.objects(&chart, values, args));
    assert_eq!(four, three);
    four
}

#[test]
fn defaults() {
    insta::assert_json_snapshot!(render(&json!({}), &[]));
}

#[test]
fn everything_set() {
    let values = json!({
        "nameOverride": "pot",
        "commonLabels": {"team": "a", "app.kubernetes.io/name": "theirs", "y": "n"},
        "commonAnnotations": {"note": "common\ntext\n", "shared": "common"},
        "podAnnotations": {"shared": "pod", "checksum/config": "theirs"},
        "global": {"imageRegistry": "mirror:5000", "imagePullSecrets": [{"name": "g"}]},
        "image": {"tag": "v1", "digest": format!("sha256:{}", "0".repeat(64))},
        "imagePullSecrets": [{"name": "l"}, {"name": "g"}],
        "serviceAccount": {"name": "cook"},
        "autoscaling": {"enabled": true},
        "log": "debug",
        "verbose": true,
        "ratio": 0.25,
        "grace": 0,
        "priorityClass": "high",
        "resources": {"limits": {"memory": "1Gi"}},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAffinity": {}},
        "extraEnv": [{"name": "Y", "value": "y"}],
        "port": "http",
        "names": [],
        "hosts": [{"hostName": "one", "weight": 1_000_000}, {"hostName": "two", "weight": 2}],
        "settings": {"on": "off", "b": "{{ x }}"},
        "greeting": "{{ .Chart.Name }}: {{ .Values.log | upper }}",
        "monitor": {"enabled": true},
        "extraObjects": [{
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "{{ .Release.Name }}-extra"},
            "stringData": {"a": "b\n"},
        }],
    });
    let objects = render(&values, &["--api-versions", "monitoring.coreos.com/v1"]);
    insta::assert_json_snapshot!(objects);
}

#[test]
fn templates_read_well() {
    let chart = chart().build().expect("a chart");
    let names = [
        "config.yaml",
        "deployment.yaml",
        "role.yaml",
        "extra.yaml",
        "validate.yaml",
    ];
    let text = names.map(|name| {
        let text = chart.text(format!("templates/{name}")).expect("text");
        format!("== {name}\n{text}")
    });
    insta::assert_snapshot!(text.concat());
}

#[test]
fn names_are_cut_where_they_may_be() {
    let chart = chart().build().expect("a chart");
    for helm in support::helms() {
        let name = |release: &str| {
            let objects = helm.objects(&chart, &json!({}), &["--name-template", release]);
            let name = &find(&objects, "ConfigMap")["metadata"]["name"];
            name.as_str().expect("a name").to_owned()
        };
        let (long, other) = ("r".repeat(53), format!("{}s", "r".repeat(52)));
        assert_eq!(name("short"), "short-kitchen-config");
        let cut = name(&long);
        assert!(
            cut.len() <= 63 && cut.starts_with("rrr") && cut.ends_with("-config"),
            "{cut}"
        );
        assert_ne!(cut, name(&other), "what is cut off still counts");
    }
    let named = |values: &Value| {
        let objects = render(values, &["--name-template", "my-kitchen"]);
        find(&objects, "Deployment")["metadata"]["name"].clone()
    };
    assert_eq!(named(&json!({})), "my-kitchen");
    assert_eq!(named(&json!({"nameOverride": "pot"})), "my-kitchen-pot");
    assert_eq!(named(&json!({"fullnameOverride": "x"})), "x");
}

#[test]
fn notes_are_lines_of_text() {
    let mut chart = chart().build().expect("a chart");
    // `helm template` prints no notes; another template can include them.
    let probe = r#"notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}"#;
    chart
        .files
        .insert("templates/probe.yaml".into(), probe.into());
    for helm in support::helms() {
        let notes = |values| {
            let output = helm.template(&chart, &values, &[]).expect("rendered");
            let line = output.lines().find_map(|line| line.strip_prefix("notes: "));
            let text: String = serde_json::from_str(line.expect("notes")).expect("a string");
            text
        };
        assert_eq!(
            notes(json!({"verbose": true})),
            "{{ rel }} runs\n\nand says so\n"
        );
        assert_eq!(notes(json!({})), "{{ rel }} runs\n\n");
    }
}

#[test]
fn contradictions_are_answered_by_a_sentence_and_the_keys() {
    let values = json!({"replicas": 2, "autoscaling": {"enabled": true}});
    let chart = chart().build().expect("a chart");
    for helm in support::helms() {
        let error = helm.template(&chart, &values, &[]).expect_err("refused");
        let sentence = "the autoscaler chooses the number of \"replicas\": leave it at 1 \
                        (autoscaling.enabled, replicas)";
        assert!(error.contains(sentence), "{error}");
    }
}

#[test]
fn both_helms_lint_it() {
    let chart = chart().build().expect("a chart");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kitchen");
    chart.write_to(&path).expect("written");
    for helm in support::helms() {
        let path = path.to_str().expect("a path");
        helm.run(&["lint", "--strict", path]).expect("no finding");
    }
}
