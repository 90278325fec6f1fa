//! A chart in 60 lines; docs/chartgen.md explains it.

use chartgen::{Chart, ChartMeta, Document, Expr, Notes, common::Image, helpers, text, v};
use serde_json::json;

/// What users of the chart can choose.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Values {
    /// How many pods run.
    replicas: u32,
    /// The image of the server.
    image: Image,
    /// What visitors read. A template: it may refer to `{{ .Release.Name }}`.
    greeting: String,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            replicas: 1,
            image: Image::of("docker.io", "library/busybox"),
            greeting: "Hello from {{ .Release.Name }}".into(),
        }
    }
}

/// The chart: an object as it is by itself, and what depends on values laid over it.
pub fn chart() -> Chart<Values> {
    let serve = r#"echo "$TEXT" >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"#;
    let deployment = Document::new(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "", "labels": {}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {}}, "template": {
            "metadata": {"labels": {}}, "spec": {"containers": [{"name": "web", "image": "",
                "command": ["sh", "-c", serve], "env": [{"name": "TEXT", "value": ""}]}]}}},
    }))
    .bind("/metadata/name", helpers::fullname())
    .splice("/metadata/labels", helpers::labels())
    .bind("/spec/replicas", v!(Values, replicas))
    .splice("/spec/selector/matchLabels", helpers::selector_labels())
    .splice("/spec/template/metadata/labels", helpers::labels())
    .within("/spec/template/spec/containers/[name=web]", |web| {
        web.bind("/image", helpers::image(v!(Values, image)))
            .insert("/imagePullPolicy", v!(Values, image.pull_policy))
            .bind("/env/[name=TEXT]/value", Expr::tpl(v!(Values, greeting)))
    });
    Chart::new(ChartMeta {
        name: "hello".into(),
        version: "0.1.0".into(),
        app_version: "1.37".into(),
        ..ChartMeta::default()
    })
    .template("deployment.yaml", deployment)
    .notes(Notes::new().line(text!["It listens as ", helpers::fullname(), "."]))
    .readme("# [[ name ]]\n\n[[ values ]]\n")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(chart().build()?.write_to("charts/hello".as_ref())?)
}
