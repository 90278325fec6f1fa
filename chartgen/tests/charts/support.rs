//! Both Helms, what they render, and how two renders differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use chartgen_lint::{Manifests, Options, Rule, Severity};
use fleet_tools::Tool;
use serde_json::Value;

/// What the release is called where the name does not matter.
pub(crate) const RELEASE: &str = "rel";
/// The namespace it is installed in.
pub(crate) const NAMESPACE: &str = "fleet-system";
/// The version of the cluster: by itself, a Helm takes the one it was built for.
const KUBERNETES: &str = "1.36.3";

/// The charts as they are committed.
pub(crate) fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")
}

/// One Helm, with folders of its own.
#[derive(Debug)]
pub(crate) struct Helm {
    name: &'static str,
    program: PathBuf,
}

static HELMS: LazyLock<[Helm; 2]> = LazyLock::new(|| {
    let tools = [(Tool::Helm, "helm 4"), (Tool::Helm3, "helm 3")];
    let toolbox = fleet_tools::ensure(&tools.map(|(tool, _)| tool), &mut |_| {}).expect("helms");
    tools.map(|(tool, name)| Helm {
        name,
        program: toolbox.path(tool).expect("a helm").to_owned(),
    })
});

/// Both Helms.
pub(crate) fn helms() -> &'static [Helm; 2] {
    &HELMS
}

impl Helm {
    /// What it prints: on standard output, or as its error.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String, String> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        let output = Command::new(&self.program)
            .args(args)
            .env("HELM_CACHE_HOME", &home)
            .env("HELM_CONFIG_HOME", &home)
            .env("HELM_DATA_HOME", &home)
            .env_remove("KUBECONFIG")
            .output()
            .expect("helm runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }
}

/// One way of rendering a chart.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    chart: PathBuf,
    release: String,
    values: Vec<Value>,
    args: Vec<String>,
    warnings: Vec<Rule>,
    kept: bool,
}

impl Case {
    /// The operator's chart with its defaults.
    pub(crate) fn operator() -> Self {
        Self::of(&charts().join("fleet-operator"))
    }

    /// The chart of the definitions with its defaults.
    pub(crate) fn crds() -> Self {
        Self::of(&charts().join("fleet-crds"))
    }

    /// A chart in a folder or a package.
    pub(crate) fn of(chart: &Path) -> Self {
        Self {
            chart: chart.to_owned(),
            release: RELEASE.to_owned(),
            values: Vec::new(),
            args: Vec::new(),
            warnings: Vec::new(),
            kept: true,
        }
    }

    /// With values of the user's, in a file of their own.
    pub(crate) fn values(mut self, values: Value) -> Self {
        self.values.push(values);
        self
    }

    /// With another name of the release.
    pub(crate) fn release(mut self, name: &str) -> Self {
        name.clone_into(&mut self.release);
        self
    }

    /// With further arguments.
    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.args.extend(args.map(str::to_owned));
        self
    }

    /// The linter may warn of this.
    pub(crate) fn warns(mut self, rule: Rule) -> Self {
        self.warnings.push(rule);
        self
    }

    /// The definitions go when the release goes.
    pub(crate) fn not_kept(mut self) -> Self {
        self.kept = false;
        self
    }

    /// What one Helm says.
    pub(crate) fn template(&self, helm: &Helm) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut args = ["template", &self.release, path(&self.chart)]
            .map(str::to_owned)
            .to_vec();
        args.extend(["--namespace", NAMESPACE, "--kube-version", KUBERNETES].map(str::to_owned));
        for (index, values) in self.values.iter().enumerate() {
            let file = folder.path().join(format!("{index}.json"));
            fs::write(&file, values.to_string()).expect("written");
            args.extend(["--values".to_owned(), path(&file).to_owned()]);
        }
        args.extend(self.args.iter().cloned());
        helm.run(&args)
    }

    /// What both Helms say to values that must not pass, Helm 4 first.
    pub(crate) fn refused(&self) -> [String; 2] {
        let [four, three] = helms();
        [four, three].map(|helm| match self.template(helm) {
            Ok(_) => panic!("{} takes it: {self:?}", helm.name),
            Err(error) => error,
        })
    }

    /// The text of Helm 4, after both made the same objects of it and the linter found nothing.
    pub(crate) fn text(&self) -> String {
        let [four, three] = helms();
        let [four, three] = [four, three].map(|helm| {
            self.template(helm)
                .unwrap_or_else(|error| panic!("{}: {self:?}: {error}", helm.name))
        });
        assert_eq!(
            Objects::read(&four).0,
            Objects::read(&three).0,
            "{self:?}: helm 4 and helm 3 differ"
        );
        self.lint(&four);
        four
    }

    /// The objects of it.
    pub(crate) fn objects(&self) -> Objects {
        Objects::read(&self.text())
    }

    fn lint(&self, text: &str) {
        let options = Options {
            crd_keep: self.kept,
            crd_argo: true,
            namespace: NAMESPACE.to_owned(),
            ..Options::default()
        };
        let report = chartgen_lint::lint_text("rendered", text, &options);
        let bad = |finding: &&chartgen_lint::Finding| {
            finding.severity > Severity::Note && !self.warnings.contains(&finding.rule)
        };
        let findings =
            report
                .findings
                .iter()
                .filter(bad)
                .fold(String::new(), |mut all, finding| {
                    let _ = writeln!(all, "{finding}");
                    all
                });
        assert!(findings.is_empty(), "{self:?}:\n{findings}");
    }
}

/// A path as text.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Objects by kind and name; of other namespaces than the release's, with the namespace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objects(pub(crate) BTreeMap<String, Value>);

impl Objects {
    pub(crate) fn read(text: &str) -> Self {
        let manifests = Manifests::read("rendered", text);
        let objects = manifests.objects().iter();
        let place = |value: &Value| match value["metadata"]["namespace"].as_str() {
            None | Some(NAMESPACE) => String::new(),
            Some(namespace) => format!("{namespace}/"),
        };
        let named = objects.map(|o| {
            let name = format!("{} {}{}", o.kind(), place(&o.value), o.name());
            (name, o.value.clone())
        });
        Self(named.collect())
    }

    /// The object of this kind and name.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &Value {
        let names: Vec<_> = self.0.keys().collect();
        let found = self.0.get(name);
        found.unwrap_or_else(|| panic!("{name} is not among {names:?}"))
    }

    /// The only object of this kind.
    #[track_caller]
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let mut found = self.of(kind);
        match (found.next(), found.next()) {
            (Some(object), None) => object,
            _ => panic!("not one {kind} among {:?}", self.0.keys()),
        }
    }

    /// All objects of this kind.
    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.values().filter(move |object| object["kind"] == kind)
    }

    /// The operator's Deployment.
    #[track_caller]
    pub(crate) fn deployment(&self) -> &Value {
        self.only("Deployment")
    }

    /// The spec of the operator's pods.
    #[track_caller]
    pub(crate) fn pod(&self) -> &Value {
        &self.deployment()["spec"]["template"]["spec"]
    }

    /// The operator's container.
    #[track_caller]
    pub(crate) fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The operator's arguments.
    #[track_caller]
    pub(crate) fn args(&self) -> Vec<&str> {
        let args = self.container()["args"].as_array().expect("a list");
        args.iter().map(|arg| arg.as_str().expect("text")).collect()
    }

    /// All that another render has otherwise: objects that came or went by name, and places that
    /// changed. A list or map that came or went is one place.
    pub(crate) fn changes(&self, other: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for name in names {
            match (self.0.get(name), other.0.get(name)) {
                (Some(_), None) => changes.push(format!("- {name}")),
                (None, Some(_)) => changes.push(format!("+ {name}")),
                (Some(old), Some(new)) => differences(name, old, new, &mut changes),
                (None, None) => {}
            }
        }
        changes
    }
}

fn differences(place: &str, old: &Value, new: &Value, changes: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => differences(&place, old, new, changes),
                    (old, new) => one(&place, old, new, changes),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let place = format!("{place}/{index}");
                match (old.get(index), new.get(index)) {
                    (Some(old), Some(new)) => differences(&place, old, new, changes),
                    (old, new) => one(&place, old, new, changes),
                }
            }
        }
        (old, new) if old != new => one(place, Some(old), Some(new), changes),
        _ => {}
    }
}

fn one(place: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<String>) {
    changes.push(match (old, new) {
        (Some(old), Some(new)) => format!("{place}: {old} -> {new}"),
        (None, Some(new)) => format!("{place}: + {new}"),
        (Some(_), None) => format!("{place}: -"),
        (None, None) => return,
    });
}

/// Says on the real standard error what was not run.
pub(crate) fn skipped(what: &str, why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// A program as cargo built it, beside this test; without it, what is not tested is said.
pub(crate) fn program(name: &str, what: &str) -> Option<PathBuf> {
    let here = std::env::current_exe().expect("a program");
    let folders = here.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join(name));
    let found = programs.find(|program| program.is_file());
    if found.is_none() {
        skipped(
            what,
            &format!("{name} is not built; `cargo build -p {name}` does"),
        );
    }
    found
}

/// Objects as text for a review, in the order of their kinds and names. Of definitions, the API's own
/// tests show the rest.
pub(crate) fn shown(objects: &Objects) -> String {
    let mut text = String::new();
    for (name, object) in &objects.0 {
        let mut object = object.clone();
        if object["kind"] == "CustomResourceDefinition" {
            object["spec"] = serde_json::json!("…");
        }
        // Dashboards are files of the chart.
        if name.ends_with("-dashboard") {
            object["data"] = serde_json::json!("…");
        }
        hide_version(&mut object);
        let yaml = serde_saphyr::to_string(&object).expect("YAML");
        let _ = writeln!(text, "# {name}\n{yaml}");
    }
    text
}

/// So that a new version changes no snapshot.
fn hide_version(value: &mut Value) {
    let version = env!("CARGO_PKG_VERSION");
    match value {
        Value::String(text) if text.contains(version) => *text = text.replace(version, "VERSION"),
        Value::Array(items) => items.iter_mut().for_each(hide_version),
        Value::Object(members) => members.values_mut().for_each(hide_version),
        _ => {}
    }
}
