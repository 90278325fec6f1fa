//! The list of components against what cargo itself resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use fleet_images::cargo::{Package, Workspace};
use fleet_images::oci::Epoch;
use fleet_images::product::{OPERATOR, PRODUCTS, Product};
use fleet_images::sbom::Sbom;
use serde_json::{Value, json};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn workspace() -> Workspace<'static> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR"));
    Workspace::new(images.parent().expect("a parent folder"))
}

fn list(product: Product) -> Sbom {
    Sbom::of(workspace(), product.name, TARGET).expect("a list")
}

fn operator() -> Sbom {
    list(OPERATOR)
}

fn document(sbom: &Sbom) -> Value {
    let bytes = sbom.json(Epoch::default()).expect("JSON");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// `cargo metadata`: all packages of the workspace with who needs whom.
struct Resolved {
    packages: BTreeMap<String, Value>,
    nodes: BTreeMap<String, Value>,
}

impl Resolved {
    fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let args = [
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            TARGET,
        ];
        let done = Command::new(cargo)
            .args(args)
            .current_dir(workspace().root())
            .output();
        let metadata: Value = serde_json::from_slice(&done.expect("cargo").stdout).expect("JSON");
        let by_id = |list: &Value| {
            let list = list.as_array().expect("a list").iter();
            list.map(|item| (text(&item["id"]), item.clone())).collect()
        };
        Self {
            packages: by_id(&metadata["packages"]),
            nodes: by_id(&metadata["resolve"]["nodes"]),
        }
    }

    fn name(&self, id: &str) -> (String, String) {
        let package = &self.packages[id];
        (text(&package["name"]), text(&package["version"]))
    }

    /// The packages that this one needs outside of its tests, and whether it can do without.
    fn needs(&self, id: &str) -> Vec<(String, bool)> {
        let declared = self.packages[id]["dependencies"]
            .as_array()
            .expect("a list");
        let edges = self.nodes[id]["deps"].as_array().expect("edges").iter();
        let edges = edges.filter(|edge| {
            let kinds = edge["dep_kinds"].as_array().expect("kinds");
            kinds.iter().any(|kind| kind["kind"] != "dev")
        });
        edges
            .map(|edge| {
                let to = text(&edge["pkg"]);
                let (name, _) = self.name(&to);
                let mut same = declared
                    .iter()
                    .filter(|d| d["name"] == name && d["kind"] != "dev");
                (to, same.all(|declared| declared["optional"] == true))
            })
            .collect()
    }
}

/// `cargo metadata` unites the features of the whole workspace, so it also has what only other
/// members ask for. What nobody can do without must be listed; what is listed must be there.
#[test]
fn every_crate_of_a_program_is_listed_exactly_once_and_no_other() {
    let resolved = Resolved::read();
    for product in PRODUCTS {
        assert_complete(product, &resolved);
    }
}

fn assert_complete(product: Product, resolved: &Resolved) {
    let document = document(&list(product));
    let components = document["components"].as_array().expect("components");
    let listed: Vec<_> = components
        .iter()
        .map(|c| (text(&c["name"]), text(&c["version"])))
        .collect();
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), distinct.len(), "listed twice");
    assert!(listed.len() > 200, "{} crates", listed.len());

    let is_product = |id: &&String| resolved.name(id).0 == product.name;
    let root = resolved
        .packages
        .keys()
        .find(is_product)
        .expect("the program");
    let (mut open, mut seen) = (vec![root.clone()], BTreeSet::new());
    let mut missing = BTreeSet::new();
    while let Some(id) = open.pop() {
        for (to, optional) in resolved.needs(&id) {
            let name = resolved.name(&to);
            if distinct.contains(&name) {
                if seen.insert(name) {
                    open.push(to);
                }
            } else if !optional {
                missing.insert(name);
            }
        }
    }
    assert!(missing.is_empty(), "not listed: {missing:?}");
    let foreign: Vec<_> = distinct.difference(&seen).collect();
    assert!(foreign.is_empty(), "not of {}: {foreign:?}", product.name);
}

#[test]
fn a_component_says_where_it_is_from_and_whether_it_is_in_the_program() {
    let document = document(&operator());
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["specVersion"], "1.6");
    assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
    assert_eq!(document["metadata"]["component"]["name"], "fleet-operator");
    let components = document["components"].as_array().expect("components");
    let find = |name| components.iter().find(|c| c["name"] == name).expect(name);

    let tokio = find("tokio");
    assert_eq!(tokio["scope"], "required");
    assert_eq!(tokio["licenses"], json!([{"expression": "MIT"}]));
    assert_eq!(tokio["hashes"][0]["alg"], "SHA-256");
    assert_eq!(text(&tokio["hashes"][0]["content"]).len(), 64);
    let purl = format!("pkg:cargo/tokio@{}", text(&tokio["version"]));
    assert_eq!(tokio["purl"], purl);

    assert_eq!(find("serde_derive")["scope"], "excluded", "a macro");
    assert_eq!(find("cc")["scope"], "excluded", "for a build script");
    let ours = find("fleet-contracts");
    assert_eq!(
        (&ours["purl"], &ours["hashes"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn every_reference_leads_to_a_component() {
    let libraries = [
        "rust-std 1.95.0",
        "glibc 2.36 Debian GLIBC 2.36-9",
        "libgcc 12.2.0",
    ];
    let runtime = libraries.map(|line| line.parse().expect("a library"));
    let document = document(&operator().with_runtime(runtime.to_vec()));
    let components = document["components"].as_array().expect("components");
    let mut known: BTreeSet<_> = components.iter().map(|c| text(&c["bom-ref"])).collect();
    assert!(known.contains("glibc@2.36"));
    assert!(known.insert(text(&document["metadata"]["component"]["bom-ref"])));
    let dependencies = document["dependencies"].as_array().expect("dependencies");
    let none = Vec::new();
    for dependency in dependencies {
        assert!(known.contains(&text(&dependency["ref"])), "{dependency}");
        for to in dependency["dependsOn"].as_array().unwrap_or(&none) {
            assert!(known.contains(&text(to)), "{dependency}");
        }
    }
    // Nothing is there without somebody who needs it.
    let needed = dependencies
        .iter()
        .flat_map(|d| d["dependsOn"].as_array().unwrap_or(&none));
    let needed: BTreeSet<_> = needed.map(text).collect();
    let orphans: Vec<_> = components
        .iter()
        .filter(|c| !needed.contains(&text(&c["bom-ref"])))
        .collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let list = || operator().json(Epoch::default()).expect("JSON");
    assert_eq!(list(), list());
}

#[test]
fn a_list_that_is_not_what_was_compiled_is_refused() {
    let sbom = operator();
    let package = |name: &str, version: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let root = package("fleet-operator", env!("CARGO_PKG_VERSION"));
    let mut compiled: BTreeSet<_> = sbom.packages().cloned().chain([root.clone()]).collect();
    sbom.check(&compiled).expect("the same");
    compiled.remove(&root);
    compiled.insert(package("stowaway", "1.0.0"));
    let error = sbom.check(&compiled).expect_err("not the same").to_string();
    assert!(error.contains("not listed [stowaway 1.0.0]"), "{error}");
    assert!(
        error.contains("not compiled [fleet-operator 0.1.0]"),
        "{error}"
    );
}
