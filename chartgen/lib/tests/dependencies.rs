//! A chart that brings others: its lock, its values, and what is refused.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs;
use std::path::Path;

use chartgen::common::{Global, Toggle};
use chartgen::{Chart, ChartMeta, Dependency, Document, Problem, RenderedChart, v};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use support::helms;

/// A chart of this project.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Web {
    /// What visitors read.
    greeting: String,
}

/// What is set of a chart of somebody else.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
#[allow(non_snake_case, reason = "keys of another chart")]
struct Bus {
    /// Install it.
    enabled: bool,
    /// Keys are as the other chart has them.
    #[serde(rename = "$include")]
    include: String,
    /// In capitals, too.
    ExternalDomain: String,
    /// Settings in a language of their own.
    settings: String,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            enabled: true,
            include: "./accounts.conf".to_owned(),
            ExternalDomain: String::new(),
            settings: "listener \"tcp\" {\n  port = 1\n}\n\nui = true\n".to_owned(),
        }
    }
}

/// The values of the umbrella.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Umbrella {
    /// The page.
    web: Web,
    /// The bus.
    bus: Bus,
}

fn dependency(name: &str, repository: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        repository: repository.to_owned(),
        ..Dependency::default()
    }
}

fn meta(name: &str, dependencies: Vec<Dependency>) -> ChartMeta {
    ChartMeta {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        dependencies,
        ..ChartMeta::default()
    }
}

/// Two dependencies, one of which is somebody else's and has another name here.
fn dependencies() -> Vec<Dependency> {
    let bus = Dependency {
        condition: Some("bus.enabled".to_owned()),
        alias: Some("bus".to_owned()),
        // Go's JSON escapes these, and the digest is over that JSON.
        ..dependency("nats", "file://../a&b<c>")
    };
    vec![dependency("web", "file://../web"), bus]
}

fn umbrella() -> Chart<Umbrella> {
    Chart::new(meta("umbrella", dependencies())).refuse(
        chartgen::Cond::equals(v!(Umbrella, bus.ExternalDomain), "nowhere"),
        "the bus has to be somewhere",
    )
}

fn web() -> RenderedChart {
    let page = Document::new(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web"}, "data": {"greeting": ""},
    }))
    .bind("/data/greeting", v!(Web, greeting));
    let chart = Chart::<Web>::new(meta("web", Vec::new())).template("page.yaml", page);
    chart.build().expect("a chart")
}

/// A chart of somebody else's, without a schema, that shows the values it got.
fn write_foreign(folder: &Path) {
    fs::create_dir_all(folder.join("templates")).expect("made");
    let meta = json!({"apiVersion": "v2", "name": "nats", "version": "1.2.3"});
    fs::write(folder.join("Chart.yaml"), meta.to_string()).expect("written");
    let page = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bus"}, "data": {"values": {{ .Values | toJson | quote }}}}"#;
    fs::write(folder.join("templates/values.yaml"), page).expect("written");
}

/// The umbrella, with its dependencies in the folders beside it.
fn written(folder: &Path) -> String {
    let chart = umbrella().build().expect("a chart");
    chart.write_to(&folder.join("umbrella")).expect("written");
    web().write_to(&folder.join("web")).expect("written");
    write_foreign(&folder.join("a&b<c>"));
    folder.join("umbrella").to_str().expect("text").to_owned()
}

/// A chart that brings another one, which goes by another name there.
fn write_above(folder: &Path, name: &str, brought: &str, alias: &str) {
    let dependency = json!({"name": brought, "version": "1.2.3", "repository": "", "alias": alias});
    let meta = json!({
        "apiVersion": "v2", "name": name, "version": "1.2.3", "dependencies": [dependency],
    });
    fs::create_dir_all(folder).expect("made");
    fs::write(folder.join("Chart.yaml"), meta.to_string()).expect("written");
}

#[test]
fn a_refusal_names_the_values_as_they_are_written_where_the_chart_is_brought() {
    let sentence = "100 % of pages need words: set greeting, web.greeting or page.greeting, and global.x, \
                    to some. Nobody.greeting is none";
    let refused = |chart: Chart<Umbrella>| {
        let empty = chartgen::Cond::is(v!(Umbrella, web.greeting));
        let chart = chart
            .as_subchart()
            .exempt(v!(Umbrella, bus), "only words count");
        chart.refuse(!empty, sentence).build().expect("a chart")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (top, inner) = (
        folder.path().join("top"),
        folder.path().join("top/charts/inner"),
    );
    let chart = refused(Chart::new(meta("words", Vec::new())));
    write_above(&top, "top", "inner", "platform");
    write_above(&inner, "inner", "words", "page");
    let alone = inner.join("charts/words");
    chart.write_to(&alone).expect("written");
    let said = |at: &str| {
        format!(
            "100 % of pages need words: set greeting, {at}web.greeting or page.greeting, and global.x, to \
             some. Nobody.greeting is none ({at}web.greeting)"
        )
    };
    for helm in helms() {
        for (folder, at) in [(&alone, ""), (&inner, "page."), (&top, "platform.page.")] {
            let error = helm.run(&["template", "x", folder.to_str().expect("text")]);
            let error = error.expect_err("refused");
            assert!(error.contains(&said(at)), "{at}: {error}");
        }
    }
}

/// What a lock says but for the time.
fn lock(text: &str) -> Value {
    let mut lock: Value = serde_saphyr::from_str(text).expect("YAML");
    let generated = lock.as_object_mut().expect("a map").remove("generated");
    assert!(generated.is_some_and(|time| time.is_string()), "{text}");
    lock
}

#[test]
fn the_lock_is_the_one_that_helm_would_write() {
    for helm in helms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path());
        let file = folder.path().join("umbrella/Chart.lock");
        let ours = fs::read_to_string(&file).expect("a lock");
        // Helm checks the digest before it fetches.
        helm.run(&["dependency", "build", &path]).expect("built");
        let listed = helm.run(&["dependency", "list", &path]).expect("listed");
        assert_eq!(listed.matches("\tok").count(), 2, "{listed}");
        fs::remove_file(&file).expect("removed");
        helm.run(&["dependency", "update", &path]).expect("updated");
        let theirs = fs::read_to_string(&file).expect("a lock");
        assert_eq!(lock(&ours), lock(&theirs));
    }
}

#[test]
fn a_lock_of_other_dependencies_is_refused_by_helm() {
    for helm in helms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path());
        let other = Chart::<Umbrella>::new(meta("umbrella", dependencies()[..1].to_vec()))
            .exempt(v!(Umbrella, bus), "of another chart");
        let other = other.build().expect("a chart");
        let lock = other.text("Chart.lock").expect("a lock");
        fs::write(folder.path().join("umbrella/Chart.lock"), lock).expect("written");
        let said = helm.run(&["dependency", "build", &path]);
        let said = said.expect_err("refused");
        assert!(said.contains("out of sync"), "{said}");
    }
}

#[test]
fn what_helm_fetched_is_no_drift() {
    let [helm, _] = helms();
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path());
    helm.run(&["dependency", "build", &path]).expect("built");
    let chart = umbrella().build().expect("a chart");
    let umbrella = folder.path().join("umbrella");
    let package = umbrella.join("charts/web-1.2.3.tgz");
    assert!(package.is_file());
    assert!(chart.diff(&umbrella).expect("read").is_empty());
    chart.write_to(&umbrella).expect("written");
    assert!(package.is_file(), "it is not removed, either");
}

#[test]
fn values_reach_the_charts_they_are_for() {
    for helm in helms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path());
        helm.run(&["dependency", "build", &path]).expect("built");
        let template = |sets: &[&str]| {
            let sets = sets.iter().flat_map(|set| ["--set", set]);
            let args: Vec<_> = ["template", "rel", &path].into_iter().chain(sets).collect();
            helm.run(&args)
        };
        let objects = template(&["web.greeting=hello", "bus.more.of=theirs"]).expect("rendered");
        assert!(objects.contains("greeting: \"hello\""), "{objects}");
        let shown = objects
            .lines()
            .find(|line| line.contains(r#""name": "bus""#));
        let shown: Value = serde_json::from_str(shown.expect("the bus")).expect("JSON");
        let shown = shown["data"]["values"].as_str().expect("text");
        let mut values: Value = serde_json::from_str(shown).expect("JSON");
        values.as_object_mut().expect("a map").remove("global");
        let bus = Bus::default();
        let expected = json!({
            "enabled": true, "$include": bus.include, "ExternalDomain": "",
            "settings": bus.settings, "more": {"of": "theirs"},
        });
        assert_eq!(values, expected);

        let without = template(&["bus.enabled=false"]).expect("rendered");
        assert!(!without.contains(r#""name": "bus""#), "{without}");
        for (wrong, said) in [
            ("web.greting=hello", "greting"),
            ("bus.enabled=maybe", "enabled"),
            ("bus.settings=null", "settings"),
            ("bus.ExternalDomain=nowhere", "the bus has to be somewhere"),
        ] {
            let error = template(&[wrong]).expect_err(wrong);
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}

#[test]
fn text_of_several_lines_stands_in_the_values_as_a_block() {
    let chart = umbrella().build().expect("a chart");
    let values = chart.text("values.yaml").expect("values");
    let block = "  settings: |\n    listener \"tcp\" {\n      port = 1\n    }\n\n    ui = true\n";
    assert!(values.contains(block), "{values}");
}

/// A chart of this project that looks for what a parent shares.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Shop {
    /// Shared.
    global: Global,
    /// What visitors read.
    greeting: String,
}

/// An umbrella that shares something.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Sharing {
    /// Shared.
    global: Global,
    /// The page.
    web: Shop,
}

#[test]
fn what_is_shared_is_chosen_in_one_place() {
    let chart = Chart::<Sharing>::new(meta("sharing", vec![dependency("web", "")]))
        .exempt(v!(Sharing, global), "the dependency reads it");
    let chart = chart.build().expect("a chart");
    let values = chart.text("values.yaml").expect("values");
    assert_eq!(values.matches("imageRegistry").count(), 1, "{values}");
    let schema = chart.text("values.schema.json").expect("a schema");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let web = &schema["properties"]["web"];
    assert_eq!(web["required"], json!(["greeting"]));
    assert_eq!(web["properties"]["global"]["type"], "object");
    assert_eq!(web["properties"]["global"].get("properties"), None);
}

/// Values of somebody else, in which a struct of ours is.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
struct Mixed {
    /// A struct that knows one key.
    box_: Toggle,
}

/// The values of an umbrella that would refuse what the other chart takes.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Narrow {
    /// The bus.
    bus: Mixed,
}

#[test]
fn values_of_somebody_else_are_open_all_the_way() {
    let chart = Chart::<Narrow>::new(meta("narrow", Vec::new()));
    let error = chart.build().expect_err("refused").to_string();
    assert!(error.contains("`bus.box`: it refuses keys"), "{error}");
}

fn problems(chart: &Chart<Umbrella>) -> Vec<String> {
    let errors = chart.build().expect_err("refused");
    let text = |problem: &Problem| problem.to_string();
    errors.iter().map(|error| text(error.problem())).collect()
}

#[test]
fn a_dependency_needs_values_and_its_condition_a_boolean() {
    let switched = |condition: &str| Dependency {
        condition: Some(condition.to_owned()),
        ..dependency("web", "")
    };
    let of = |dependencies: Vec<Dependency>| {
        let chart = Chart::<Umbrella>::new(meta("umbrella", dependencies));
        chart
            .exempt(v!(Umbrella, web), "not of this test")
            .exempt(v!(Umbrella, bus), "not of this test")
    };
    assert!(of(vec![switched("bus.enabled")]).build().is_ok());
    let nats = of(vec![dependency("nats", "")]);
    let missing = "the dependency `nats` has no values: add a struct as `nats`";
    assert_eq!(problems(&nats), [missing]);
    for wrong in ["web.enabled", "bus.settings", "bus", "on"] {
        let said = problems(&of(vec![switched(wrong)]));
        let expected = format!(
            "the dependency `web` is switched by `{wrong}`, which is no boolean with a default"
        );
        assert_eq!(said, [expected]);
    }
}
