//! From sources to archives: what `make images` does.

mod compile;
mod git;
mod load;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

pub use compile::CompileError;
pub use load::LoadError;

use crate::cargo::Workspace;
use crate::oci::{
    Architecture, Digest, Epoch, EpochError, ImageError, Reference, ReferenceError, SaveError,
};
use crate::product::{PRODUCTS, Part, Product, Release, Variant};
use crate::program::{Program, ProgramError};
use crate::sbom::{Sbom, SbomError};

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The root of the workspace.
    pub root: PathBuf,
    /// For which machines.
    pub architectures: Vec<Architecture>,
    /// Where archives and lists go.
    pub out: PathBuf,
    /// Host and folder in front of the images' names.
    pub registry: String,
    /// The tag.
    pub version: String,
    /// Where the sources are published.
    pub source: Option<String>,
    /// The time of the sources; that of the commit where it is not given.
    pub time: Option<Epoch>,
    /// Whether podman gets the images.
    pub load: Load,
}

/// What happens to the archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// They are written.
    No,
    /// They are also loaded into podman where there is one.
    Podman,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Built {
    /// The name.
    #[serde(serialize_with = "shown")]
    pub reference: Reference,
    /// The digest under that name in a registry.
    pub digest: Digest,
    /// Bytes that a registry keeps.
    pub size: u64,
    /// The archive.
    pub archive: PathBuf,
    /// One for each architecture.
    pub platforms: Vec<Platform>,
}

/// An image on one architecture.
#[derive(Debug, Serialize)]
pub struct Platform {
    /// Which one.
    pub architecture: Architecture,
    /// The digest of its manifest.
    pub digest: Digest,
    /// What is in it.
    pub programs: Vec<Listed>,
}

/// A program in an image.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// The digest of the program.
    pub digest: Digest,
    /// The list of components, beside the archive.
    pub sbom: PathBuf,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program could not be compiled.
    #[error("cannot compile a program")]
    Compile(#[from] CompileError),
    /// The list of components could not be made, or is wrong.
    #[error("cannot list the components of a program")]
    Sbom(#[from] SbomError),
    /// A program is not fit.
    #[error("cannot use a program")]
    Program(#[from] ProgramError),
    /// Registry and version make no name.
    #[error("cannot name an image")]
    Reference(#[from] ReferenceError),
    /// The writer refused.
    #[error("cannot make an image")]
    Image(#[from] ImageError),
    /// An archive could not be saved.
    #[error("cannot keep an image")]
    Save(#[from] SaveError),
    /// A list could not be saved.
    #[error("cannot write {path}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// podman would not take it.
    #[error("cannot load an image")]
    Load(#[from] LoadError),
    /// The commit has no time.
    #[error("cannot date the sources")]
    Time(#[from] EpochError),
    /// A program came out for another machine than was asked for.
    #[error("{path} is not for {wanted}", path = .path.display())]
    OtherArchitecture {
        /// The program.
        path: PathBuf,
        /// What was asked for.
        wanted: Architecture,
    },
}

/// Builds all images; `say` gets a line at each step.
pub fn build(plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Vec<Built>, BuildError> {
    let time = match plan.time {
        Some(time) => time,
        None => git::time(&plan.root)?,
    };
    let release = Release {
        registry: plan.registry.clone(),
        version: plan.version.clone(),
        revision: git::revision(&plan.root),
        source: plan.source.clone(),
        time,
    };
    let products = PRODUCTS.iter();
    products
        .map(|product| one(plan, product, &release, say))
        .collect()
}

fn one(
    plan: &Plan,
    product: &Product,
    release: &Release,
    say: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    // A wrong name shall not cost minutes.
    let reference = product.reference(release)?;
    let (mut variants, mut listed) = (Vec::new(), Vec::new());
    for architecture in &plan.architectures {
        let (mut parts, mut programs) = (Vec::new(), Vec::new());
        for name in product.programs() {
            say(&format!("{reference}: compiling {name} for {architecture}"));
            let (part, digest) = part(plan, name, release, *architecture)?;
            let file = format!("{name}-{}-{architecture}.cdx.json", release.version);
            let sbom = plan.out.join(file);
            write(&sbom, part.sbom.as_deref().unwrap_or_default())?;
            parts.push(part);
            programs.push(Listed { name, digest, sbom });
        }
        let beside = parts.split_off(1);
        variants.extend(parts.pop().map(|main| Variant { main, beside }));
        listed.push((*architecture, programs));
    }
    say(&format!("{reference}: writing the archive"));
    let archive = product.image(release, variants)?.archive()?;
    let path = plan
        .out
        .join(format!("{}-{}.oci.tar", product.name, release.version));
    archive.save(&path)?;
    if plan.load == Load::Podman {
        let loaded = load::podman(&path, &reference)?;
        say(&format!("{reference}: {loaded}"));
    }
    let platforms = listed.into_iter().filter_map(|(architecture, programs)| {
        Some(Platform {
            architecture,
            digest: archive.manifests().get(&architecture)?.clone(),
            programs,
        })
    });
    Ok(Built {
        digest: archive.digest().clone(),
        size: archive.size(),
        archive: path,
        platforms: platforms.collect(),
        reference,
    })
}

fn part(
    plan: &Plan,
    package: &str,
    release: &Release,
    architecture: Architecture,
) -> Result<(Part, Digest), BuildError> {
    let workspace = Workspace::new(&plan.root);
    let compiled = compile::compile(workspace, package, architecture)?;
    let sbom = Sbom::of(workspace, package, compile::target(architecture))?;
    sbom.check(&compiled.packages)?;
    let sbom = sbom.with_runtime(compiled.runtime).json(release.time)?;
    let program = Program::standalone(&compiled.program)?;
    if program.architecture() != architecture {
        return Err(BuildError::OtherArchitecture {
            path: compiled.program,
            wanted: architecture,
        });
    }
    let digest = program.digest();
    let sbom = Some(sbom);
    Ok((Part { program, sbom }, digest))
}

fn write(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, content)
    };
    write().map_err(|source| BuildError::Write {
        path: path.to_owned(),
        source,
    })
}

fn shown<S: Serializer>(reference: &Reference, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reference)
}
