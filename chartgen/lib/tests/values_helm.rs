//! What users of a chart meet when they install it with either Helm: what is accepted, and how a
//! mistake in their values is told them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "test code; fields are read by derives only"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chartgen::common::{FreeFormList, Global, Image, Resources};
use chartgen::{ValuesDoc, package};
use fleet_tools::Tool;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Values {
    global: Global,
    /// How many pods run.
    #[schemars(range(min = 1))]
    replica_count: u32,
    image: Image,
    resources: Resources,
    tolerations: FreeFormList,
    /// Not set by default.
    priority_class_name: Option<String>,
    /// Keys and strings that YAML would misread.
    odd: BTreeMap<String, String>,
    share: f64,
}

/// Strings that some reader of YAML takes for something else.
const ODD: [&str; 27] = [
    "y",
    "n",
    "on",
    "NO",
    "True",
    "1_000",
    "12:30:45",
    "0o7",
    "007",
    "1e3",
    "~",
    "=",
    "<<",
    "null",
    "",
    "2001-01-01",
    "0x1F",
    ".inf",
    "{{ .Release.Name }}",
    "a: b",
    "- a",
    "# a",
    "a\nb\n",
    "\ta ",
    "é\u{2028}\u{1f600}",
    "\u{85}",
    "!!binary x",
];

impl Default for Values {
    fn default() -> Self {
        Self {
            global: Global::default(),
            replica_count: 1_000_000,
            image: Image::of("registry.example:5000", "team/app"),
            resources: Resources::default().limit("memory", "64Mi"),
            tolerations: FreeFormList::default(),
            priority_class_name: None,
            odd: ODD.map(|odd| (odd.to_owned(), odd.to_owned())).into(),
            share: 1.5e-9,
        }
    }
}

/// Both Helm versions, and a folder for the caches they insist on.
struct Helms {
    programs: Vec<PathBuf>,
    home: TempDir,
}

impl Helms {
    fn new() -> Self {
        let tools = [Tool::Helm, Tool::Helm3];
        let toolbox = fleet_tools::ensure(&tools, &mut |_| {}).expect("both helms");
        let program = |tool| toolbox.path(tool).expect("a helm").to_owned();
        Self {
            programs: tools.map(program).into(),
            home: tempfile::tempdir().expect("a folder"),
        }
    }

    /// What each prints: on standard output, or as its error.
    fn run(&self, args: &[&str]) -> Vec<Result<String, String>> {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let outputs = self.programs.iter().map(|program| {
            let output = Command::new(program)
                .args(args)
                .env("HELM_CACHE_HOME", self.home.path())
                .env("HELM_CONFIG_HOME", self.home.path())
                .env("HELM_DATA_HOME", self.home.path())
                .output()
                .expect("helm runs");
            if output.status.success() {
                Ok(text(output.stdout))
            } else {
                Err(text(output.stderr))
            }
        });
        outputs.collect()
    }

    /// The values that a template of `chart` sees, if each Helm accepts those of the user.
    fn values_seen(&self, chart: &Path, user: &Value) -> Vec<Result<Value, String>> {
        let file = self.home.path().join("user.json");
        std::fs::write(&file, user.to_string()).expect("values of the user");
        let (file, chart) = (file.to_string_lossy(), chart.to_string_lossy());
        let outputs = self.run(&["template", "demo", &chart, "-f", &file]);
        outputs
            .into_iter()
            .map(|output| output.map(|text| seen(&text)))
            .collect()
    }
}

/// The values inside the one object that the template writes.
fn seen(rendered: &str) -> Value {
    let start = rendered.find('{').expect("an object");
    let object: Value = serde_json::from_str(&rendered[start..]).expect("JSON");
    let values = object["data"]["values"].as_str().expect("values");
    serde_json::from_str(values).expect("JSON of the values")
}

/// A chart whose template writes down the values it sees.
fn chart(name: &str, doc: &ValuesDoc) -> BTreeMap<PathBuf, Vec<u8>> {
    let about = json!({"apiVersion": "v2", "name": name, "version": "0.1.0"});
    let template = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"},
        "data": {"values": {{ toJson .Values | quote }}}}"#;
    BTreeMap::from([
        ("Chart.yaml".into(), about.to_string().into_bytes()),
        ("values.yaml".into(), doc.values_yaml().into_bytes()),
        ("values.schema.json".into(), doc.schema_json().into_bytes()),
        ("templates/seen.yaml".into(), template.into()),
    ])
}

fn write(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
}

fn doc() -> ValuesDoc {
    ValuesDoc::of::<Values>().expect("values that keep the rules")
}

/// The defaults as they stand in the file: without what is not set.
fn defaults() -> Value {
    let mut values = serde_json::to_value(Values::default()).expect("JSON");
    values
        .as_object_mut()
        .expect("a struct")
        .retain(|_, value| !value.is_null());
    values
}

#[test]
fn templates_see_the_defaults_as_they_are_in_rust() {
    let (helms, folder) = (Helms::new(), tempfile::tempdir().expect("a folder"));
    write(folder.path(), &chart("demo", &doc()));
    for values in helms.values_seen(folder.path(), &json!({})) {
        assert_eq!(values.expect("rendered"), defaults());
    }
    for lint in helms.run(&["lint", "--strict", &folder.path().to_string_lossy()]) {
        lint.expect("no warning");
    }
}

#[test]
fn a_mistake_in_the_values_is_named_with_what_is_allowed() {
    let cases = [
        (
            json!({"replicas": 3}),
            "additional properties 'replicas' not allowed",
        ),
        (
            json!({"image": {"tags": "1"}}),
            "at '/image': additional properties 'tags' not allowed",
        ),
        (
            json!({"replicaCount": "3"}),
            "at '/replicaCount': got string, want integer",
        ),
        (
            json!({"replicaCount": 0}),
            "at '/replicaCount': minimum: got 0, want 1",
        ),
        (
            json!({"image": {"pullPolicy": "Sometimes"}}),
            "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
        ),
        (
            json!({"image": {"digest": "sha256:1"}}),
            "at '/image/digest': 'sha256:1' does not match",
        ),
        (
            json!({"resources": {"limits": {"cpu": "1 Gi"}}}),
            "at '/resources/limits/cpu'",
        ),
        (
            json!({"tolerations": ["x"]}),
            "at '/tolerations/0': got string, want object",
        ),
        (
            json!({"priorityClassName": 3}),
            "at '/priorityClassName': got number, want",
        ),
        (
            json!({"enabled": true}),
            "additional properties 'enabled' not allowed",
        ),
        // A null removes the key: only what is optional may go.
        (
            json!({"replicaCount": null}),
            "missing property 'replicaCount'",
        ),
        (
            json!({"image": {"repository": null}}),
            "at '/image': missing property 'repository'",
        ),
        (json!({"image": null}), "missing property 'image'"),
        (
            json!({"tolerations": null}),
            "missing property 'tolerations'",
        ),
    ];
    let (helms, folder) = (Helms::new(), tempfile::tempdir().expect("a folder"));
    write(folder.path(), &chart("demo", &doc()));
    for (user, expected) in cases {
        for said in helms.values_seen(folder.path(), &user) {
            let said = said.expect_err(&user.to_string());
            assert!(said.contains(expected), "{user}: {said}");
        }
    }
}

#[test]
fn what_is_open_or_optional_is_accepted() {
    let cases = [
        (
            json!({"global": {"storageClass": "fast"}}),
            "/global/storageClass",
            Some(json!("fast")),
        ),
        (
            json!({"priorityClassName": "high"}),
            "/priorityClassName",
            Some(json!("high")),
        ),
        (
            json!({"resources": {"limits": {"cpu": 2}}}),
            "/resources/limits/cpu",
            Some(json!(2)),
        ),
        (
            json!({"resources": {"limits": {"memory": null}}}),
            "/resources/limits/memory",
            None,
        ),
    ];
    let (helms, folder) = (Helms::new(), tempfile::tempdir().expect("a folder"));
    write(folder.path(), &chart("demo", &doc()));
    for (user, at, expected) in cases {
        for values in helms.values_seen(folder.path(), &user) {
            assert_eq!(
                values.expect("accepted").pointer(at).cloned(),
                expected,
                "{user}"
            );
        }
    }
    // Helm 3 hands the null on, Helm 4 drops it; a template reads nothing in both cases.
    for values in helms.values_seen(folder.path(), &json!({"priorityClassName": null})) {
        assert!(values.expect("accepted")["priorityClassName"].is_null());
    }
}

#[test]
fn a_parent_chart_hands_down_global_and_enabled() {
    let (helms, folder) = (Helms::new(), tempfile::tempdir().expect("a folder"));
    let dependency = json!({"name": "sub", "version": "0.1.0", "condition": "sub.enabled"});
    let about = json!({
        "apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [dependency],
    });
    let parent = [("Chart.yaml".into(), about.to_string().into_bytes())];
    write(folder.path(), &parent.into());
    write(
        &folder.path().join("charts/sub"),
        &chart("sub", &doc().for_subchart()),
    );
    let user = json!({
        "global": {"imageRegistry": "mirror.example", "other": 1},
        "sub": {"enabled": true, "replicaCount": 3},
    });
    for values in helms.values_seen(folder.path(), &user) {
        let values = values.expect("accepted");
        assert_eq!(values["global"]["imageRegistry"], "mirror.example");
        assert_eq!(values["replicaCount"], 3);
    }
    for said in helms.values_seen(folder.path(), &json!({"sub": {"enabled": "yes"}})) {
        let said = said.expect_err("enabled is a boolean");
        assert!(
            said.contains("at '/enabled': got string, want boolean"),
            "{said}"
        );
    }
}

#[test]
fn both_helms_install_from_a_packed_chart() {
    let (helms, folder) = (Helms::new(), tempfile::tempdir().expect("a folder"));
    let files = chart("demo", &doc());
    let packed = package(&files, "demo", "0.1.0", 0).expect("a package");
    let archive = folder.path().join(packed.file_name);
    std::fs::write(&archive, packed.bytes).expect("an archive");
    for values in helms.values_seen(&archive, &json!({})) {
        assert_eq!(values.expect("rendered"), defaults());
    }
    let path = archive.to_string_lossy();
    for shown in helms.run(&["show", "values", &path]) {
        assert_eq!(
            shown.expect("values").trim_end(),
            doc().values_yaml().trim_end()
        );
    }
}
