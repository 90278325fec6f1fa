//! A whole chart: `cargo run -p chartgen --example guestbook -- FOLDER`.

use chartgen::common::{FreeFormList, Image, Resources};
use chartgen::{Chart, ChartMeta, Cond, Document, Expr, Notes, helpers, text, v};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

/// What users of the chart can choose. The comments become its documentation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Values {
    /// How many pods run.
    replicas: u32,
    /// The image of the server.
    image: Image,
    /// Resources of the server.
    resources: Resources,
    /// More environment variables. `GREETING` is taken.
    extra_env: FreeFormList,
    /// What visitors read first. A template: it may refer to `{{ .Release.Name }}`.
    greeting: String,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            replicas: 2,
            image: Image::of("registry.example.com", "guestbook/server"),
            resources: Resources::default().request("cpu", "50m"),
            extra_env: FreeFormList::default(),
            greeting: "Welcome to {{ .Release.Name }}".into(),
        }
    }
}

/// The chart. Any object that serde can write is a base; those of k8s-openapi are checked.
pub fn chart() -> Chart<Values> {
    let deployment = Document::new(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "", "labels": {}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {}}, "template": {
            "metadata": {"labels": {}},
            "spec": {"containers": [{
                "name": "server", "image": "", "imagePullPolicy": "", "resources": {},
                "env": [{"name": "GREETING", "value": ""}],
            }]},
        }},
    }))
    .bind("/metadata/name", helpers::fullname())
    .splice("/metadata/labels", helpers::labels())
    .bind("/spec/replicas", v!(Values, replicas))
    .splice("/spec/selector/matchLabels", helpers::selector_labels())
    .splice("/spec/template/metadata/labels", helpers::labels())
    .within("/spec/template/spec/containers/[name=server]", |server| {
        server
            .bind("/image", helpers::image(v!(Values, image)))
            .bind("/imagePullPolicy", v!(Values, image.pull_policy))
            .bind("/resources", v!(Values, resources))
            .bind(
                "/env/[name=GREETING]/value",
                Expr::tpl(v!(Values, greeting)),
            )
            .splice("/env", v!(Values, extra_env))
    });
    let budget = Document::new(&json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": ""},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {}}},
    }))
    .bind("/metadata/name", helpers::fullname())
    .splice("/spec/selector/matchLabels", helpers::selector_labels())
    .document_when(Cond::more_than(v!(Values, replicas), 1));

    Chart::new(ChartMeta {
        name: "guestbook".into(),
        version: "0.1.0".into(),
        app_version: "1.0.0".into(),
        description: "A place to leave a note".into(),
        ..ChartMeta::default()
    })
    .template("deployment.yaml", deployment)
    .template("pdb.yaml", budget)
    .notes(Notes::new().line(text!["Notes are taken at ", helpers::fullname(), "."]))
    .readme("# [[ name ]]\n\n[[ description ]].\n\n[[ values ]]\n")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    chart().build()?.write_to(folder.as_ref())?;
    Ok(())
}
