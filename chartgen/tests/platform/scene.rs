//! The platform's chart with all its dependencies in their places.

use std::fs;
use std::path::{Path, PathBuf};

use chartgen_lint::{Finding, Options, Severity};
use fleet_chartgen::platform::upstream::{self, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Case, NAMESPACE, Objects, charts, helms, path, skipped};

/// The folder with the charts of others, each unpacked under its name.
const UPSTREAM: &str = "FLEET_UPSTREAM_CHARTS";

/// The chart in a folder of its own.
pub(crate) struct Scene {
    folder: TempDir,
    real: bool,
}

impl Scene {
    /// With charts that show the values they get instead of those of others.
    pub(crate) fn with_stand_ins() -> Self {
        let scene = Self::of_ours(false);
        for chart in upstream::ALL {
            scene.stand_in(&chart);
        }
        scene
    }

    /// With the charts of others; none where they are not on this machine.
    pub(crate) fn with_real_charts(what: &str) -> Option<Self> {
        let Some(source) = std::env::var_os(UPSTREAM).map(PathBuf::from) else {
            let why = format!("{UPSTREAM} does not name a folder with the charts of others");
            skipped(what, &why);
            return None;
        };
        let scene = Self::of_ours(true);
        for chart in upstream::ALL {
            let name = chart.name;
            copy(&source.join(name), &scene.chart().join("charts").join(name));
        }
        Some(scene)
    }

    fn of_ours(real: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scene = Self { folder, real };
        copy(&charts().join("fleet-platform"), &scene.chart());
        for chart in ["fleet-operator", "fleet-auth"] {
            copy(
                &charts().join(chart),
                &scene.chart().join("charts").join(chart),
            );
        }
        scene
    }

    fn stand_in(&self, chart: &Upstream) {
        let folder = self.chart().join("charts").join(chart.name);
        fs::create_dir_all(folder.join("templates")).expect("made");
        let meta = json!({"apiVersion": "v2", "name": chart.name, "version": chart.version});
        fs::write(folder.join("Chart.yaml"), meta.to_string()).expect("written");
        let shown = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": chart.name},
            "data": {"values": "VALUES"},
        });
        let template = shown
            .to_string()
            .replace("\"VALUES\"", "{{ .Values | toJson | quote }}");
        fs::write(folder.join("templates/shown.yaml"), template).expect("written");
    }

    /// The chart's folder.
    pub(crate) fn chart(&self) -> PathBuf {
        self.folder.path().join("fleet-platform")
    }

    /// One of its files.
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.chart().join(file)).expect(file)
    }

    /// All of them, with those of its dependencies.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        list(&self.chart(), &mut files);
        files
    }

    /// The chart with its defaults and one of its profiles, and with all that nobody can know
    /// beforehand.
    pub(crate) fn case(&self, profile: Option<&str>) -> Case {
        let mut case = Case::of(&self.chart()).values(unknown());
        if let Some(profile) = profile {
            let file = self.chart().join(format!("values-{profile}.yaml"));
            case = case.args(["--values", path(&file)]);
            if profile == "external" {
                case = case.values(ids());
            }
        }
        if self.real {
            // Zitadel's refers to others, which Helm would fetch.
            case = case.args(["--skip-schema-validation"]);
        }
        case
    }
}

/// What only they know who run an identity provider of their own.
pub(crate) fn ids() -> Value {
    json!({"auth": {"oidc": {"project": "1", "organisation": "2"}}})
}

/// The values without a default.
pub(crate) fn unknown() -> Value {
    json!({
        "auth": {
            "devices": {"natsUrl": "tls://bus.example.com:4222"},
            "enrolmentApi": {"publicUrls": ["https://join.example.com"]},
        },
        "zitadel": {"zitadel": {"configmapConfig": {"ExternalDomain": "id.example.com"}}},
    })
}

/// What both Helms make of it, which has to be the same. Hooks and tests are among it.
pub(crate) fn rendered(case: &Case) -> String {
    let [four, three] = helms();
    let [four, three] = [four, three].map(|helm| case.template(helm).expect("rendered"));
    assert_eq!(Objects::read(&four), Objects::read(&three), "{case:?}");
    four
}

/// What the linter finds wrong; with OpenShift's rules or without them.
pub(crate) fn errors(text: &str, openshift: bool) -> Vec<String> {
    let mut options = Options {
        crd_keep: true,
        crd_argo: true,
        namespace: NAMESPACE.to_owned(),
        ..Options::default()
    };
    if !openshift {
        options.openshift = None;
    }
    let report = chartgen_lint::lint_text("rendered", text, &options);
    let wrong = |finding: &&Finding| finding.severity == Severity::Error;
    let findings = report.findings.iter().filter(wrong);
    findings.map(ToString::to_string).collect()
}

/// The specs of all pods that objects bring forth.
pub(crate) fn pods(objects: &Objects) -> Vec<(&str, &Value)> {
    let named = objects.0.iter();
    let found = named.filter_map(|(name, object)| Some((name.as_str(), pod_spec(object)?)));
    let found: Vec<_> = found
        .filter(|(_, spec)| spec.get("containers").is_some())
        .collect();
    assert!(!found.is_empty());
    found
}

fn pod_spec(object: &Value) -> Option<&Value> {
    if object["kind"] == "Pod" {
        object.get("spec")
    } else {
        object.pointer("/spec/template/spec")
    }
}

/// The images of all containers.
pub(crate) fn images(objects: &Objects) -> Vec<String> {
    let lists = pods(objects).into_iter().flat_map(|(_, spec)| {
        ["containers", "initContainers"].map(|list| spec[list].as_array().cloned())
    });
    let containers = lists.flatten().flatten();
    let mut images: Vec<_> = containers
        .map(|container| container["image"].as_str().expect("an image").to_owned())
        .collect();
    images.sort();
    images.dedup();
    images
}

fn list(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else {
            let content = fs::read(&path).expect("read");
            files.push((path.display().to_string(), content));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
