//! The example chart, on disk.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "a program of its own"
)]
#[path = "../examples/guestbook.rs"]
mod guestbook;
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "a program of its own"
)]
#[path = "../examples/hello.rs"]
mod hello;
mod support;

use std::fs;
use std::path::PathBuf;

use chartgen::common::Toggle;
use chartgen::{Chart, ChartMeta, Dependency, Document, Expr, Maintainer, v};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

#[test]
fn the_example_works() {
    let chart = guestbook::chart().build().expect("a chart");
    for helm in support::helms() {
        let values = json!({"replicas": 1, "extraEnv": [{"name": "A", "value": "b"}]});
        let objects = helm.objects(&chart, &values, &[]);
        let [deployment] = objects.as_slice() else {
            panic!("{objects:?}");
        };
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let expected = json!([
            {"name": "GREETING", "value": "Welcome to rel"},
            {"name": "A", "value": "b"},
        ]);
        assert_eq!(*env, expected);
        assert_eq!(helm.objects(&chart, &json!({}), &[]).len(), 2);
    }
    let readme = chart.text("README.md").expect("a README");
    assert!(readme.contains("# guestbook"), "{readme}");
    assert!(readme.contains("How many pods run."), "{readme}");
}

#[test]
fn the_tutorial_shows_the_example_and_what_comes_of_it() {
    let (tutorial, program) = (
        include_str!("../../../docs/chartgen.md"),
        include_str!("../examples/hello.rs"),
    );
    let shown = format!("```rust\n{program}```\n");
    let copy = "docs/chartgen.md: copy chartgen/lib/examples/hello.rs into its first block of Rust";
    assert!(tutorial.contains(&shown), "{copy}");
    assert!(
        program.lines().count() <= 60,
        "the tutorial promises 60 lines"
    );
    let chart = hello::chart().build().expect("a chart");
    let template = chart.text("templates/deployment.yaml").expect("a template");
    let (_, from_spec) = template.split_once("\nspec:").expect("a spec");
    assert!(
        tutorial.contains(&format!("```yaml\nspec:{from_spec}```\n")),
        "docs/chartgen.md shows another template than {template}"
    );
    for helm in support::helms() {
        let objects = helm.objects(&chart, &json!({}), &[]);
        let container = &objects[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"][0]["value"], "Hello from rel");
        assert_eq!(container["image"], "docker.io/library/busybox:1.37");
    }
}

#[test]
fn a_chart_is_written_and_its_drift_is_seen() {
    let chart = guestbook::chart().build().expect("a chart");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("guestbook");
    assert_eq!(
        chart.diff(&path).expect("read").missing.len(),
        chart.files.len()
    );
    chart.write_to(&path).expect("written");
    assert!(chart.diff(&path).expect("read").is_empty());

    fs::write(path.join("values.yaml"), "replicas: 3").expect("written");
    fs::write(path.join("templates/old.yaml"), "").expect("written");
    fs::remove_file(path.join("templates/pdb.yaml")).expect("removed");
    let drift = chart.diff(&path).expect("read");
    assert_eq!(drift.changed, [PathBuf::from("values.yaml")]);
    assert_eq!(drift.extra, [PathBuf::from("templates/old.yaml")]);
    assert_eq!(drift.missing, [PathBuf::from("templates/pdb.yaml")]);
    let told = "missing: templates/pdb.yaml\nextra: templates/old.yaml\nchanged: values.yaml\n";
    assert_eq!(drift.to_string(), told);

    chart.write_to(&path).expect("written");
    assert!(chart.diff(&path).expect("read").is_empty());
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let chart = guestbook::chart().build().expect("a chart");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("thesis.txt"), "years of work").expect("written");
    let error = chart.write_to(folder.path()).expect_err("refused");
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn the_text_of_a_file_arrives_as_it_is() {
    let text = "{\n  \"legend\": \"{{kind}} 100 % é\\t\",\n  \"on\": \"it's: y\"\n}\n";
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a.json": ""},
    });
    let meta = ChartMeta {
        name: "holder".into(),
        version: "1.0.0".into(),
        ..ChartMeta::default()
    };
    let chart = Chart::<Values>::new(meta)
        .exempt(v!(Values, note), "nothing needs it")
        .exempt(v!(Values, bus), "there is none")
        .file("shown/a.json", text)
        .template(
            "map.yaml",
            Document::new(&map).bind("/data/a.json", Expr::file("shown/a.json")),
        )
        .build()
        .expect("a chart");
    for helm in support::helms() {
        let objects = helm.objects(&chart, &json!({}), &[]);
        assert_eq!(objects[0]["data"]["a.json"], text);
    }
}

#[test]
fn notes_say_what_the_release_is_called() {
    let chart = guestbook::chart().build().expect("a chart");
    let notes = chart.text("templates/NOTES.txt").expect("notes");
    let last = notes.lines().last().expect("a line");
    assert_eq!(
        last,
        r#"Notes are taken at {{ include "guestbook.fullname" . }}."#
    );
}

/// Values without effect.
#[derive(Default, Serialize, JsonSchema)]
struct Values {
    /// Not used.
    note: String,
    /// Those of a dependency.
    bus: Toggle,
}

#[test]
fn what_is_said_about_a_chart_stands_in_its_chart_yaml() {
    let meta = ChartMeta {
        name: "full".into(),
        version: "1.2.3-rc.1".into(),
        app_version: "1.10".into(),
        kube_version: Some(">=1.30.0-0".into()),
        description: "All of it: {{ even this }}".into(),
        keywords: vec!["on".into()],
        home: Some("https://example.com".into()),
        sources: vec!["https://example.com/source".into()],
        icon: Some("https://example.com/icon.svg".into()),
        maintainers: vec![Maintainer {
            name: "Jane Doe".into(),
            email: Some("jane@example.com".into()),
            url: None,
        }],
        annotations: [("artifacthub.io/changes".into(), "- one\n- two\n".into())].into(),
        dependencies: vec![Dependency {
            name: "nats".into(),
            version: "2.14.2".into(),
            repository: "https://example.com/charts".into(),
            condition: Some("bus.enabled".into()),
            alias: Some("bus".into()),
        }],
        ..ChartMeta::default()
    };
    let chart = Chart::new(meta)
        .exempt(v!(Values, note), "there are no templates")
        .helmignore([".git/", "*.orig"])
        .build()
        .expect("a chart");
    insta::assert_snapshot!(chart.text("Chart.yaml").expect("text"));
    let ignored = chart.text(".helmignore").expect("text");
    assert_eq!(
        ignored,
        "# Code generated by chartgen; DO NOT EDIT.\n.git/\n*.orig\n"
    );
}
