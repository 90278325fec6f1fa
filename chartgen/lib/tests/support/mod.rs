//! Both Helm versions, and their own reading of YAML.
#![allow(
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "test code, of which each test uses a part"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartgen::RenderedChart;
use fleet_tools::Tool;
use serde_json::Value;
use tempfile::TempDir;

/// One of the Helm versions, with folders of its own.
pub(crate) struct Helm {
    program: PathBuf,
    home: TempDir,
}

/// Both Helm versions.
pub(crate) fn helms() -> [Helm; 2] {
    let tools = [Tool::Helm, Tool::Helm3];
    let toolbox = fleet_tools::ensure(&tools, &mut |_| {}).expect("both helms");
    tools.map(|tool| Helm {
        program: toolbox.path(tool).expect("a helm").to_owned(),
        home: tempfile::tempdir().expect("a folder"),
    })
}

impl Helm {
    /// What it prints: on standard output, or as its error.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(args)
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path())
            .output()
            .expect("helm runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }

    /// What `helm template` makes of a chart with these values, in a release called `rel`.
    pub(crate) fn template(
        &self,
        chart: &RenderedChart,
        values: &Value,
        args: &[&str],
    ) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(&chart.name);
        chart.write_to(&path).expect("written");
        let overrides = folder.path().join("values.json");
        fs::write(&overrides, values.to_string()).expect("written");
        let text = |path: &Path| path.to_str().expect("a path").to_owned();
        let mut all = vec!["template".to_owned(), text(&path)];
        if !args.contains(&"--name-template") {
            all.extend(["--name-template".to_owned(), "rel".to_owned()]);
        }
        all.extend(["--values".to_owned(), text(&overrides)]);
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        self.run(&all)
    }

    /// The objects that `helm template` makes of a chart, as Helm's own reader of YAML takes them,
    /// in the order of their kinds and names. Another reader has to agree on each.
    pub(crate) fn objects(
        &self,
        chart: &RenderedChart,
        values: &Value,
        args: &[&str],
    ) -> Vec<Value> {
        let output = self.template(chart, values, args).expect("rendered");
        let documents: Vec<_> = split(&output).collect();
        let mut objects = self.read(&documents);
        for (object, text) in objects.iter().zip(&documents) {
            let other: Value = serde_saphyr::from_str(text).expect(text);
            assert_eq!(*object, other, "{text}");
        }
        let name = |object: &Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            (object["kind"].to_string(), name.to_owned())
        };
        objects.sort_by_key(name);
        objects
    }

    /// Documents as Helm's reader takes them: a chart whose one template says so in JSON.
    fn read(&self, documents: &[&str]) -> Vec<Value> {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        write(
            "Chart.yaml",
            r#"{"apiVersion":"v2","name":"read","version":"0.1.0"}"#,
        );
        let template = r#"{{- range $path, $_ := .Files.Glob "documents/*" }}
read: {{ $.Files.Get $path | fromYaml | toJson | b64enc }}
---
{{- end }}"#;
        write("templates/read.yaml", template);
        for (index, document) in documents.iter().enumerate() {
            write(&format!("documents/{index:05}"), document);
        }
        let path = folder.path().to_str().expect("a path");
        let output = self.run(&["template", "read", path]).expect("read");
        let lines = output
            .lines()
            .filter_map(|line| line.strip_prefix("read: "));
        let objects: Vec<Value> = lines
            .map(|line| {
                let json = STANDARD.decode(line).expect("base 64");
                serde_json::from_slice(&json).expect("JSON")
            })
            .collect();
        assert_eq!(objects.len(), documents.len());
        for (object, document) in objects.iter().zip(documents) {
            assert!(object.get("Error").is_none(), "{object}\n{document}");
        }
        objects
    }
}

/// The documents of Helm's output, each as it would be sent: without what lies around it.
fn split(output: &str) -> impl Iterator<Item = &str> {
    output
        .split("---\n# Source: ")
        .skip(1)
        .map(|text| text.split_once('\n').map_or(text, |(_, text)| text).trim())
        .filter(|text| text.lines().any(|line| !line.starts_with('#')))
}
