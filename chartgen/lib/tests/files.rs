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
mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::json;

#[test]
fn the_example_is_as_short_as_promised_and_works() {
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
fn notes_say_what_the_release_is_called() {
    let chart = guestbook::chart().build().expect("a chart");
    let notes = chart.text("templates/NOTES.txt").expect("notes");
    let last = notes.lines().last().expect("a line");
    assert_eq!(
        last,
        r#"Notes are taken at {{ include "guestbook.fullname" . }}."#
    );
}
