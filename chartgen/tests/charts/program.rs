//! `fleet-chartgen` as people use it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Case, Objects, charts, helms, path};

/// What a run of the program ended with.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet-chartgen"))
        .args(args)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[track_caller]
fn ok(args: &[&str]) -> Ran {
    let ran = run(args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

fn write(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, value.to_string()).expect("written");
}

#[test]
fn a_check_passes_on_what_was_written_and_names_what_was_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = path(folder.path());
    ok(&["render", "--out", out]);
    ok(&["--check", "--out", out]);
    // What is committed is the same.
    ok(&["--check", "--out", path(&charts())]);
    let template = folder
        .path()
        .join("fleet-operator/templates/deployment.yaml");
    let text = fs::read_to_string(&template).expect("read");
    fs::write(&template, text.replace("readOnly: true", "readOnly: false")).expect("written");
    fs::remove_file(folder.path().join("fleet-crds/Chart.yaml")).expect("removed");
    fs::write(folder.path().join("fleet-crds/templates/mine.txt"), "x").expect("written");
    let drift = run(&["--check", "--out", out]);
    assert_eq!(drift.code, Some(1));
    for word in [
        "templates/deployment.yaml",
        "Chart.yaml",
        "templates/mine.txt",
        "`make generate`",
    ] {
        assert!(
            drift.stderr.contains(word),
            "{word} is not in {}",
            drift.stderr
        );
    }
    // Nothing was written.
    assert_eq!(run(&["--check", "--out", out]).code, Some(1));
}

#[test]
fn a_folder_of_somebody_elses_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let theirs = folder.path().join("fleet-operator/notes.txt");
    write(&theirs, &json!("mine"));
    let ran = run(&["render", "--out", path(folder.path())]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert!(theirs.is_file());
}

#[test]
fn packages_are_the_same_every_time_and_hold_what_the_folders_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    for out in [&one, &two] {
        ok(&["package", "--out", path(out)]);
    }
    let version = env!("CARGO_PKG_VERSION");
    for chart in ["fleet-crds", "fleet-operator"] {
        let file = format!("{chart}-{version}.tgz");
        let package = one.join(&file);
        assert_eq!(
            fs::read(&package).expect("read"),
            fs::read(two.join(&file)).expect("read"),
            "{chart}"
        );
        let folder = charts().join(chart);
        for helm in helms() {
            let show =
                |about: &str, place: &Path| helm.run(&["show", about, path(place)]).expect("shown");
            for about in ["values", "readme"] {
                assert_eq!(
                    show(about, &package),
                    show(about, &folder),
                    "{chart}: {about}"
                );
            }
            // Only a package is of a release, and says what changed.
            let [packed, committed] = [&package, &folder].map(|place| {
                let text = show("chart", place);
                serde_saphyr::from_str::<Value>(&text).expect("YAML")
            });
            let mut without = packed.clone();
            let annotations = without["annotations"].as_object_mut().expect("annotations");
            for key in ["changes", "containsSecurityUpdates"] {
                let key = format!("artifacthub.io/{key}");
                assert!(annotations.remove(&key).is_some(), "{chart}: {key}");
            }
            assert_eq!(without, committed, "{chart}");
            let template = |place: &Path| Case::of(place).template(helm).expect("rendered");
            assert_eq!(
                Objects::read(&template(&package)).0,
                Objects::read(&template(&folder)).0
            );
        }
    }
    // Another time is another package.
    let later = folder.path().join("later");
    ok(&["package", "--out", path(&later), "--mtime", "1700000000"]);
    let file = format!("fleet-crds-{version}.tgz");
    assert_ne!(
        fs::read(one.join(&file)).expect("read"),
        fs::read(later.join(&file)).expect("read")
    );
}

/// A pod that nobody should run.
fn bad_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"},
        "spec": {
            "hostNetwork": true, "restartPolicyy": "Never",
            "containers": [{"name": "c", "image": "r.example.com/x:1"}],
        },
    })
}

#[test]
fn the_linter_names_rule_and_place_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("sub/pod.json"), &bad_pod());
    let dir = path(folder.path());
    let text = run(&["lint", dir]);
    assert_eq!(text.code, Some(1), "{}", text.stderr);
    for word in [
        "sub/pod.json:1",
        "error[psa-host-namespaces]",
        "error[scc-host-namespaces]",
        "error[unknown-field]",
        "restartPolicyy",
        "help: ",
    ] {
        assert!(text.stdout.contains(word), "{word}: {}", text.stdout);
    }
    let json = run(&["lint", dir, "-o", "json"]);
    assert_eq!(json.code, Some(1));
    let report: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(report["objects"], 1);
    let findings = report["findings"].as_array().expect("a list");
    let found = findings
        .iter()
        .find(|f| f["rule"] == "psa-host-namespaces")
        .expect("found");
    assert_eq!(
        (&found["severity"], &found["file"], &found["line"]),
        (&json!("error"), &json!("sub/pod.json"), &json!(1))
    );
    let without = run(&["lint", dir, "--no-openshift", "--ignore", "unknown-field"]);
    assert_eq!(without.code, Some(1));
    assert!(!without.stdout.contains("scc-"), "{}", without.stdout);
    assert!(
        !without.stdout.contains("unknown-field"),
        "{}",
        without.stdout
    );
    assert!(without.stdout.contains("psa-"), "{}", without.stdout);
}

#[test]
fn the_linter_says_what_it_cannot_work_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = |args: &[&str], says: &str| {
        let ran = run(args);
        assert!(
            !matches!(ran.code, Some(0) | None),
            "{args:?}: {}",
            ran.stdout
        );
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    };
    let empty = path(folder.path());
    wrong(&["lint", empty], "there is no .yaml, .yml or .json file");
    wrong(&["lint", "/no/such/folder"], "/no/such/folder");
    wrong(
        &["lint", path(&charts().join("fleet-operator"))],
        "render it first: helm template",
    );
    wrong(&["lint", empty, "--ignore", "no-such-rule"], "no-such-rule");
    write(&folder.path().join("pod.json"), &bad_pod());
    wrong(
        &["lint", empty, "--previous", "/no/such/folder"],
        "/no/such/folder",
    );
}

/// What `helm template --output-dir` makes of a chart.
fn rendered(chart: &Path, out: &Path, values: &Value) {
    let file = out.join("values.json");
    write(&file, values);
    let args = ["template", "rel", path(chart), "--values", path(&file)];
    let out = out.join("rendered");
    let args = args
        .into_iter()
        .chain(["--kube-version", "1.36.3", "--output-dir", path(&out)]);
    helms()[0].run(&args.collect::<Vec<_>>()).expect("rendered");
}

#[test]
fn our_charts_pass_the_linter_as_anyones_would() {
    let folder = tempfile::tempdir().expect("a folder");
    for chart in ["fleet-crds", "fleet-operator"] {
        let source = charts().join(chart);
        let out = folder.path().join(chart);
        rendered(&source, &out, &json!({}));
        let out = out.join("rendered");
        let args = ["lint", path(&out), "--strict", "--keep-crds", "--chart"];
        let ran = ok(&[&args[..], &[path(&source)]].concat());
        assert!(
            ran.stdout.contains("0 errors, 0 warnings"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn the_linter_compares_with_the_release_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let [before, same, renamed] = ["before", "same", "renamed"].map(|n| folder.path().join(n));
    let chart = charts().join("fleet-operator");
    rendered(&chart, &before, &json!({}));
    rendered(&chart, &same, &json!({"replicas": 2}));
    let name = json!({"nameOverride": "op", "fullnameOverride": "rel-fleet-operator", "crds": {"keep": false}});
    rendered(&chart, &renamed, &name);
    let [before, same, renamed] = [before, same, renamed].map(|folder| folder.join("rendered"));
    ok(&["lint", path(&same), "--previous", path(&before)]);
    // By itself it is as good as the other.
    ok(&["lint", path(&renamed)]);
    let args = ["lint", path(&renamed), "--previous", path(&before)];
    let ran = run(&args);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    for word in [
        "error[upgrade-immutable-field]: Deployment default/rel-fleet-operator: spec.selector",
        "error[upgrade-keep-removed]: CustomResourceDefinition devices.fleet.nationtech.io",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let ignored = ["--ignore", "upgrade-immutable-field,upgrade-keep-removed"];
    ok(&[&args[..], &ignored[..]].concat());
    let json = run(&[&args[..], &["-o", "json"]].concat());
    let report: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let mut rules = report["findings"].as_array().expect("a list").iter();
    assert!(rules.any(|f| f["rule"] == "upgrade-immutable-field"));
}

#[test]
fn help_says_what_it_is_for_and_how_it_ends() {
    let help = ok(&["--help"]).stdout;
    for word in ["render", "package", "lint", "--check", "--out"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let help = ok(&["lint", "--help"]).stdout;
    for word in ["Examples:", "Exit codes:", "--previous", "--strict"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(
        ok(&["--version"])
            .stdout
            .contains(env!("CARGO_PKG_VERSION"))
    );
    let wrong = run(&["lint"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("DIR"), "{}", wrong.stderr);
}
