//! What cargo knows about the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A package; cargo has no two with the same name and version in one program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Why cargo's answers could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// cargo does not start.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// cargo refuses.
    #[error("cargo {command} failed: {said}")]
    Failed {
        /// The sub-command.
        command: String,
        /// What it said.
        said: String,
    },
    /// cargo's answer is not in the form that is known.
    #[error("cannot understand cargo metadata")]
    Metadata(#[source] serde_json::Error),
    /// A line of `cargo tree` is not in the form that is known.
    #[error("cannot understand a line of cargo tree: {0:?}")]
    Tree(String),
    /// `Cargo.lock` cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `Cargo.lock` is not in the form that is known.
    #[error("cannot understand Cargo.lock")]
    LockSyntax(#[source] toml::de::Error),
}

/// A workspace, by its root.
#[derive(Debug, Clone, Copy)]
pub struct Workspace<'a> {
    root: &'a Path,
}

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Described>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Described {
    pub(crate) fn package(&self) -> Package {
        Package {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

impl Metadata {
    /// Packages by the ids that cargo uses in its messages.
    pub(crate) fn ids(&self) -> BTreeMap<&str, Package> {
        let packages = self.packages.iter();
        packages.map(|p| (p.id.as_str(), p.package())).collect()
    }

    /// Who depends on whom, dependencies of tests left out.
    pub(crate) fn edges(&self) -> BTreeSet<(Package, Package)> {
        let ids = self.ids();
        let mut edges = BTreeSet::new();
        for node in &self.resolve.nodes {
            for edge in &node.deps {
                let counts = |kind: &EdgeKind| kind.kind.as_deref() != Some("dev");
                let ends = (ids.get(node.id.as_str()), ids.get(edge.pkg.as_str()));
                if let (Some(from), Some(to)) = ends
                    && edge.dep_kinds.iter().any(counts)
                {
                    edges.insert((from.clone(), to.clone()));
                }
            }
        }
        edges
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl<'a> Workspace<'a> {
    /// The workspace whose `Cargo.toml` and `Cargo.lock` lie in `root`.
    pub fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// Its folder.
    pub fn root(&self) -> &'a Path {
        self.root
    }

    fn cargo(&self, args: &[&str]) -> Result<String, CargoError> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(args).arg("--locked").current_dir(self.root);
        let done = command.output().map_err(CargoError::Start)?;
        if !done.status.success() {
            return Err(CargoError::Failed {
                command: args.first().copied().unwrap_or_default().to_owned(),
                said: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// All packages, as far as `target` needs them.
    pub(crate) fn metadata(&self, target: &str) -> Result<Metadata, CargoError> {
        let args = ["metadata", "--format-version", "1", "--filter-platform"];
        let text = self.cargo(&[&args[..], &[target]].concat())?;
        serde_json::from_str(&text).map_err(CargoError::Metadata)
    }

    /// What `package` is compiled from for `target` when it is built alone.
    ///
    /// `cargo tree` and not `cargo metadata`, because the latter unites the features of all members
    /// of the workspace, and with them it names packages that this build never sees.
    pub(crate) fn tree(
        &self,
        package: &str,
        target: &str,
        edges: &str,
    ) -> Result<BTreeSet<Package>, CargoError> {
        let args = ["tree", "--package", package, "--target", target];
        let form = ["--edges", edges, "--prefix", "none", "--format", "{p}"];
        let text = self.cargo(&[&args[..], &form].concat())?;
        text.lines().map(parse).collect()
    }

    /// The SHA-256 of each package's archive in its registry.
    pub(crate) fn checksums(&self) -> Result<BTreeMap<Package, String>, CargoError> {
        let path = self.root.join("Cargo.lock");
        let text = fs::read_to_string(&path).map_err(|source| CargoError::Lock { path, source })?;
        let lock: Lock = toml::from_str(&text).map_err(CargoError::LockSyntax)?;
        let packages = lock.package.into_iter().filter_map(|locked| {
            let Locked { name, version, .. } = locked;
            Some((Package { name, version }, locked.checksum?))
        });
        Ok(packages.collect())
    }
}

/// `name v1.2.3 (what is special about it)`.
fn parse(line: &str) -> Result<Package, CargoError> {
    let mut words = line.split(' ');
    let name = words.next().filter(|name| !name.is_empty());
    let version = words.next().and_then(|word| word.strip_prefix('v'));
    match (name, version) {
        (Some(name), Some(version)) => Ok(Package {
            name: name.to_owned(),
            version: version.to_owned(),
        }),
        _ => Err(CargoError::Tree(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_a_package() {
        for line in [
            "a-b v1.2.3+x",
            "a-b v1.2.3+x (*)",
            "a-b v1.2.3+x (proc-macro) (*)",
        ] {
            let package = parse(line).unwrap();
            assert_eq!(
                (package.name.as_str(), package.version.as_str()),
                ("a-b", "1.2.3+x")
            );
        }
        assert!(parse("").is_err());
        assert!(parse("[build-dependencies]").is_err());
    }
}
