//! What the other modules ask of the repository: its root, its crates, its files.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A member of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// The folder that holds its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// Its dependencies as it declares them.
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

pub(crate) fn root() -> PathBuf {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    house.parent().expect("a parent folder").to_owned()
}

/// A path as documents and messages name it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Runs cargo in the root, without touching `Cargo.lock`.
pub(crate) fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(args)
        .args(["--locked"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        done.status.success(),
        "cargo {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("UTF-8")
}

pub(crate) fn members() -> Vec<Member> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&text).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(text(&package["manifest_path"]));
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    Member {
        name: text(&package["name"]).to_owned(),
        folder: manifest.parent().expect("a folder").to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

fn dependency(given: &Value) -> Dependency {
    Dependency {
        name: text(&given["name"]).to_owned(),
        kind: match given["kind"].as_str() {
            None => Kind::Normal,
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            Some(other) => panic!("cargo knows a new kind of dependency: {other}"),
        },
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// All files below `folder` with one of these endings, without what git ignores.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        // A folder may vanish while a neighbouring test cleans up.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                let ignored = [".git", ".cache", "target", "node_modules"];
                if !ignored.iter().any(|i| name == **i) {
                    open.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|e| endings.iter().any(|ending| e == *ending))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", shown(path)))
}

/// Fails with every finding on its own line, so that one run shows all of them.
#[track_caller]
pub(crate) fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
