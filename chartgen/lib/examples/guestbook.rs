//! A whole chart in a few lines: `cargo run -p chartgen --example guestbook -- FOLDER`.

use std::path::Path;

use chartgen::common::{FreeForm, FreeFormList, Global, Image, Resources};
use chartgen::{Chart, ChartMeta, Cond, Document, Expr, Notes, helpers, text, v};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

/// What users of the chart can choose. The comments become the documentation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Values {
    /// How many pods run.
    replicas: u32,
    /// The image of the server.
    image: Image,
    /// Shared with other charts.
    global: Global,
    /// Resources of the server.
    resources: Resources,
    /// More environment variables. `GREETING` is taken.
    extra_env: FreeFormList,
    /// Labels of nodes that pods may run on.
    node_selector: FreeForm,
    /// What visitors read first. May refer to the release: `{{ .Release.Name }}`.
    greeting: String,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            replicas: 2,
            image: Image::of("registry.example.com", "guestbook/server"),
            global: Global::default(),
            resources: Resources::default().request("cpu", "50m"),
            extra_env: FreeFormList::default(),
            node_selector: FreeForm::default(),
            greeting: "Welcome to {{ .Release.Name }}".into(),
        }
    }
}

/// The chart. In earnest, objects would come from k8s-openapi; whatever serde can write will do.
pub fn chart() -> Chart<Values> {
    let deployment = Document::new(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "", "labels": {}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {}},
            "template": {"metadata": {"labels": {}}, "spec": {
                "nodeSelector": {},
                "imagePullSecrets": [],
                "containers": [{
                    "name": "server", "image": "", "imagePullPolicy": "", "resources": {},
                    "env": [{"name": "GREETING", "value": ""}],
                }],
            }},
        },
    }))
    .bind("/metadata/name", helpers::fullname())
    .splice("/metadata/labels", helpers::labels())
    .bind("/spec/replicas", v!(Values, replicas))
    .splice("/spec/selector/matchLabels", helpers::selector_labels())
    .splice("/spec/template/metadata/labels", helpers::labels())
    .bind_if_set(
        "/spec/template/spec/nodeSelector",
        v!(Values, node_selector),
    )
    .splice(
        "/spec/template/spec/imagePullSecrets",
        helpers::pull_secrets(),
    )
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
    .notes(Notes::new().line([
        "Notes are taken at ".into(),
        helpers::fullname(),
        ".".into(),
    ]))
    .readme("# [[ name ]]\n\n[[ description ]].\n\n## Values\n\n[[ values ]]\n")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    chart().build()?.write_to(Path::new(&folder))?;
    Ok(())
}
