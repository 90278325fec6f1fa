//! No YAML in code paths: typed objects everywhere, YAML only as generated output.

use crate::repository::{Kind, assert_none, files, members, root, shown};
use crate::source::sources;

/// Folders whose YAML comes out of our types, each guarded by a drift test.
const GENERATED: [&str; 3] = ["api/crds/", "charts/", "gitops/"];
/// Crates that write YAML for people and for Kubernetes tools.
const WRITERS: [&str; 5] = [
    "fleet-api",
    "fleet-chartgen",
    "fleet-cli",
    "fleet-gitops",
    "fleet-operator",
];
/// The one that reads it, to judge what Helm printed.
const READER: &str = "chartgen-lint";

#[test]
fn yaml_files_are_generated_ones() {
    let findings: Vec<_> = files(&root(), &["yaml", "yml"])
        .iter()
        .map(|path| shown(path))
        .filter(|path| !GENERATED.iter().any(|folder| path.starts_with(folder)))
        .collect();
    assert_none(&findings, "generate it from a type, or write JSON or TOML");
}

#[test]
fn yaml_is_written_by_few_and_safely() {
    let mut findings = Vec::new();
    for member in members() {
        for dependency in &member.dependencies {
            let name = dependency.name.as_str();
            // serde_yaml and its forks leave `y`, `on` and `NO` bare; kubectl and helm read
            // those as booleans.
            let unsafe_yaml = name.contains("yaml") || name.contains("yml");
            let unexpected = name == "serde-saphyr"
                && dependency.kind == Kind::Normal
                && !WRITERS.contains(&member.name.as_str());
            let reads =
                name == "granit-parser" && dependency.kind == Kind::Normal && member.name != READER;
            if unsafe_yaml || unexpected || reads {
                findings.push(format!("{} depends on {name}", member.name));
            }
        }
    }
    assert_none(
        &findings,
        "see docs/adr/0009-yaml-as-output-only.md and 0017",
    );
}

#[test]
fn no_source_holds_or_reads_yaml() {
    let mut findings = Vec::new();
    for source in members().iter().flat_map(sources) {
        for (number, line) in source.code_lines() {
            let line = line.trim();
            let embedded = line.contains("include_str!(") && line.contains(".yaml\"");
            let literal = line.trim_start_matches('"').starts_with("apiVersion: ");
            if embedded || literal {
                findings.push(format!("{}:{number}: {line}", shown(&source.path)));
            }
        }
    }
    assert_none(&findings, "use the types of fleet-api and k8s-openapi");
}
