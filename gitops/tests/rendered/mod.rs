//! Charts as Helm renders them with the values of an application.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use chartgen_lint::{Manifests, Object, Options, lint_text};
use fleet_gitops::platform::{Component, SYSTEM};
use fleet_gitops::{Cluster, Parameters, values};
use fleet_tools::Tool;
use serde_json::{Value, json};

/// The folder with charts of others, unpacked.
pub(crate) const UPSTREAM: &str = "FLEET_UPSTREAM_CHARTS";
/// Several tests find that they are not there, and one says so.
static SAID: Once = Once::new();
/// What the cluster says it is.
const KUBERNETES: &str = "1.36.3";

/// Helm.
pub(crate) struct Helm {
    program: PathBuf,
    upstream: Option<PathBuf>,
}

impl Helm {
    /// The pinned one.
    pub(crate) fn find() -> Self {
        let toolbox = fleet_tools::ensure(&[Tool::Helm], &mut |_| {}).expect("helm");
        let upstream = std::env::var_os(UPSTREAM).map(PathBuf::from);
        if upstream.is_none() {
            SAID.call_once(|| {
                let why = format!("{UPSTREAM} names no folder with nats, openbao and zitadel");
                let line = format!("skipped: charts of others in gitops: {why}");
                writeln!(std::io::stderr(), "{line}").expect("said");
            });
        }
        Self {
            program: toolbox.path(Tool::Helm).expect("helm").to_owned(),
            upstream,
        }
    }

    /// The folder with charts of others.
    pub(crate) fn upstream(&self) -> Option<&Path> {
        self.upstream.as_deref()
    }
}

/// What a chart becomes.
pub(crate) struct Rendered(String);

impl Rendered {
    /// Renders the chart of a component as Argo CD would; with `everything` switched on that makes
    /// further kinds of objects.
    pub(crate) fn of(
        helm: &Helm,
        component: Component,
        chart: &Path,
        parameters: &Parameters,
        everything: bool,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = values::files(component, parameters).expect("values");
        let mut all: Vec<Value> = files.into_iter().map(|file| file.values).collect();
        all.push(site(component, everything));
        let mut command = Command::new(&helm.program);
        command
            .args(["template", component.name()])
            .arg(chart)
            .args(["--namespace", SYSTEM, "--kube-version", KUBERNETES])
            .args(["--include-crds", "--skip-tests", "--skip-schema-validation"])
            .env("HELM_CACHE_HOME", folder.path())
            .env("HELM_CONFIG_HOME", folder.path())
            .env("HELM_DATA_HOME", folder.path())
            .env_remove("KUBECONFIG");
        for (index, values) in all.iter().enumerate() {
            let file = folder.path().join(format!("{index}.json"));
            fs::write(&file, values.to_string()).expect("written");
            command.arg("--values").arg(file);
        }
        let output = command.output().expect("helm starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{component:?}: {said}");
        let text = String::from_utf8(output.stdout).expect("text");
        Self(text)
    }

    fn objects(&self) -> Vec<Object> {
        Manifests::read("rendered", &self.0).objects().to_vec()
    }

    /// API group and kind of each object, of hooks too.
    pub(crate) fn kinds(&self) -> BTreeSet<(String, String)> {
        let objects = self.objects().into_iter();
        let kind = |o: Object| (o.group().to_owned(), o.kind().to_owned());
        objects.map(kind).collect()
    }

    /// Kind, namespace and name of each object.
    pub(crate) fn names(&self) -> Vec<String> {
        let objects = self.objects().into_iter();
        let name = |o: Object| format!("{} {}/{}", o.kind(), o.namespace(), o.name());
        objects.map(name).collect()
    }

    /// The images of all containers.
    pub(crate) fn images(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for object in self.objects() {
            collect(&object.value, &mut found);
        }
        found
    }

    /// What Pod Security, or restricted-v2 as well, would refuse.
    pub(crate) fn refused(&self, cluster: Cluster) -> Vec<String> {
        let mut options = Options {
            namespace: SYSTEM.to_owned(),
            ..Options::default()
        };
        if cluster == Cluster::Kubernetes {
            options.openshift = None;
        }
        let report = lint_text("rendered", &self.0, &options);
        let admission = ["psa-", "scc-"];
        let findings = report.findings.iter();
        let refused = findings.filter(|finding| {
            let id = finding.rule.id();
            admission.iter().any(|prefix| id.starts_with(prefix))
        });
        refused.map(ToString::to_string).collect()
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::Array(all) if key.ends_with("ontainers") => {
                        let images = all.iter().filter_map(|c| c["image"].as_str());
                        found.extend(images.map(str::to_owned));
                    }
                    value => collect(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Values that every installation has to give.
fn site(component: Component, everything: bool) -> Value {
    let mut site = match component {
        Component::Zitadel => {
            json!({"zitadel": {"configmapConfig": {"ExternalDomain": "id.example.com"}}})
        }
        Component::Auth => json!({
            "oidc": {"issuer": "https://id.example.com"},
            "enrolmentApi": {"publicUrls": ["https://enrol.example.com"]},
            "devices": {"natsUrl": "tls://bus.example.com:4222"},
        }),
        _ => json!({}),
    };
    if everything
        && matches!(
            component,
            Component::Operator | Component::Auth | Component::Keys
        )
    {
        site["metrics"] = json!({
            "serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true},
        });
        site["networkPolicy"] = json!({"enabled": true});
        site["replicas"] = json!(2);
        if component != Component::Operator {
            site.as_object_mut().expect("a map").remove("replicas");
        }
    }
    site
}
