//! The list of what a program is made of, as `CycloneDX` 1.6.
//!
//! It lists the crates of one program for one target, each once: those that are linked as
//! `required`, those that only took part in building it (build scripts, macros, and what these
//! need) as `excluded`, and beside them what the tool chain links into a static program. The same
//! sources give the same bytes: no serial number, and the time is that of the sources.

mod document;
mod runtime;

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo::{CargoError, Package, Workspace};
use crate::oci::Epoch;
use document::{Component, Dependency, Document, Hash, License, Metadata, Scope, Tools};
pub use runtime::{Runtime, RuntimeError};

/// What a program is compiled from.
#[derive(Debug)]
pub struct Sbom {
    root: Package,
    /// Everything but the root; whether it is in the program.
    components: BTreeMap<Package, Described>,
    described_root: Described,
    edges: BTreeSet<(Package, Package)>,
    runtime: Vec<Runtime>,
}

#[derive(Debug)]
struct Described {
    linked: bool,
    /// Not ours: it comes from the registry.
    published: bool,
    license: Option<String>,
    description: Option<String>,
    checksum: Option<String>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// cargo did not say what was asked.
    #[error("cannot list what {package} is made of")]
    Cargo {
        /// The program.
        package: String,
        /// Why not.
        #[source]
        source: CargoError,
    },
    /// `cargo tree` and `cargo metadata` do not agree.
    #[error("cargo metadata does not know {0}")]
    Unknown(Package),
    /// What was compiled is not what is listed.
    #[error("the list is not what cargo compiled: not listed [{missing}], not compiled [{excess}]")]
    Differs {
        /// Compiled, but not listed.
        missing: String,
        /// Listed, but not compiled.
        excess: String,
    },
    /// It cannot be written.
    #[error("cannot write the list")]
    Write(#[source] serde_json::Error),
}

impl Sbom {
    /// Asks cargo what `package` is compiled from for `target`.
    pub fn of(workspace: Workspace<'_>, package: &str, target: &str) -> Result<Self, SbomError> {
        let failed = |source| SbomError::Cargo {
            package: package.to_owned(),
            source,
        };
        let all = workspace
            .tree(package, target, "normal,build")
            .map_err(failed)?;
        let linked = workspace
            .tree(package, target, "normal,no-proc-macro")
            .map_err(failed)?;
        let metadata = workspace.metadata(target).map_err(failed)?;
        let checksums = workspace.checksums().map_err(failed)?;
        let mut components = BTreeMap::new();
        for known in &metadata.packages {
            let key = known.package();
            if all.contains(&key) {
                let described = Described {
                    linked: linked.contains(&key),
                    published: known.source.is_some(),
                    license: known.license.clone(),
                    description: known.description.clone(),
                    checksum: checksums.get(&key).cloned(),
                };
                components.insert(key, described);
            }
        }
        if let Some(unknown) = all.iter().find(|key| !components.contains_key(key)) {
            return Err(SbomError::Unknown(unknown.clone()));
        }
        let root = all.into_iter().find(|key| key.name == package);
        let root = root.ok_or_else(|| failed(CargoError::Tree(String::new())))?;
        let described_root = components.remove(&root);
        let described_root = described_root.ok_or_else(|| SbomError::Unknown(root.clone()))?;
        let known = |key: &Package| *key == root || components.contains_key(key);
        let edges = metadata.edges().into_iter();
        let edges = edges
            .filter(|(from, to)| known(from) && known(to))
            .collect();
        Ok(Self {
            root,
            described_root,
            components,
            edges,
            runtime: Vec::new(),
        })
    }

    /// With what the tool chain brought.
    #[must_use]
    pub fn with_runtime(mut self, runtime: Vec<Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    /// The crates, without the program itself.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.components.keys()
    }

    /// Refuses a list that is not what cargo compiled.
    pub fn check(&self, compiled: &BTreeSet<Package>) -> Result<(), SbomError> {
        let listed: BTreeSet<_> = self.packages().chain([&self.root]).cloned().collect();
        if listed == *compiled {
            return Ok(());
        }
        let join = |from: &BTreeSet<Package>, without: &BTreeSet<Package>| {
            let names = from.difference(without).map(Package::to_string);
            names.collect::<Vec<_>>().join(", ")
        };
        Err(SbomError::Differs {
            missing: join(compiled, &listed),
            excess: join(&listed, compiled),
        })
    }

    /// The document.
    pub fn json(&self, time: Epoch) -> Result<Vec<u8>, SbomError> {
        let crates = self.components.iter();
        let crates = crates.map(|(package, described)| component("library", package, described));
        let components = crates
            .chain(self.runtime.iter().map(Runtime::component))
            .collect();
        let document = Document {
            schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
            bom_format: "CycloneDX",
            spec_version: "1.6",
            version: 1,
            metadata: Metadata {
                timestamp: time.rfc3339(),
                tools: Tools::this_crate(),
                component: component("application", &self.root, &self.described_root),
            },
            components,
            dependencies: self.dependencies(),
        };
        let mut text = serde_json::to_vec_pretty(&document).map_err(SbomError::Write)?;
        text.push(b'\n');
        Ok(text)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let mut of: BTreeMap<&Package, Vec<String>> = BTreeMap::new();
        for package in self.packages().chain([&self.root]) {
            of.entry(package).or_default();
        }
        for (from, to) in &self.edges {
            of.entry(from).or_default().push(reference(to));
        }
        // What the tool chain links is linked into the program.
        let runtime = self.runtime.iter().map(Runtime::reference);
        of.entry(&self.root).or_default().extend(runtime);
        let dependencies = of.into_iter().map(|(package, depends_on)| Dependency {
            reference: reference(package),
            depends_on,
        });
        dependencies.collect()
    }
}

/// The name of a component inside the document.
fn reference(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

fn component(kind: &'static str, package: &Package, described: &Described) -> Component {
    let hashes = described.checksum.iter().map(|content| Hash {
        algorithm: "SHA-256",
        content: content.clone(),
    });
    let license = described.license.as_deref().map(|text| License {
        // How crates wrote "or" before there were expressions.
        expression: text.replace('/', " OR "),
    });
    Component {
        kind,
        reference: reference(package),
        name: package.name.clone(),
        version: package.version.clone(),
        description: described.description.as_deref().map(one_line),
        scope: if described.linked {
            Scope::Required
        } else {
            Scope::Excluded
        },
        hashes: hashes.collect(),
        licenses: license.into_iter().collect(),
        // Ours are in no registry; under such a name one would find somebody else's.
        purl: described.published.then(|| purl(package)),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A package URL; of what versions of crates may hold, only `+` has to be escaped.
fn purl(package: &Package) -> String {
    let version = package.version.replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", package.name)
}
