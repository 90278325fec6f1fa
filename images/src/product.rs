//! Our images: what is in them, and what they are called.
//!
//! An image is one program at `/<name>`, beside it those that it starts itself, two files that give its
//! user a name, one that says in which order names are resolved, one with the public authorities
//! ([`authorities`]), and a list for each program of what it is made of. No shell, no loader.
//!
//! Nothing belongs to the user and nothing wants to be written, so a container runs with any UID, a
//! read-only root and no capabilities. OpenShift gives pods a random UID in group 0.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use crate::authorities;
use crate::oci::{
    Archive, Compression, Contents, Epoch, Image, ImageError, Layer, Reference, ReferenceError,
    SaveError, Settings,
};
use crate::program::{Program, ProgramError};

/// Nobody's user and group, as other images from scratch number them.
const USER: &str = "65532:65532";
const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";
/// `/etc/hosts` before DNS: without this file glibc asks DNS first, and a pod's `hostAliases` would
/// count only for names that DNS could not answer at all.
const NSSWITCH: &str = "hosts: files dns\n";

/// A program that is published as an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Of the package, of its program, and of the image.
    pub name: &'static str,
    /// Further programs in the image, each called as its package: the program starts them itself.
    pub beside: &'static [&'static str],
    /// For people who look at an image.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
}

/// The operator.
pub const OPERATOR: Product = Product {
    name: "fleet-operator",
    beside: &[],
    title: "fleet-operator",
    description: "Turns Deployments of the group fleet.nationtech.io into signed desired state for devices",
};

/// Callout, enrolment service, and the jobs that prepare what they need.
pub const AUTH: Product = Product {
    name: "fleet-auth",
    beside: &[],
    title: "fleet-auth",
    description: "Answers NATS about each login of a device, and lets devices ask to join the fleet",
};

/// A device for a minute, which is the program of devices with a podman in memory.
pub const CHECK: Product = Product {
    name: "fleet-check",
    beside: &["fleet-agent"],
    title: "fleet-check",
    description: "Goes through a fleet's platform as a device: enrols, runs a container in memory, and leaves",
};

/// All images that `make images` makes.
pub const PRODUCTS: [Product; 3] = [OPERATOR, AUTH, CHECK];

/// What a set of images has in common.
#[derive(Debug, Clone)]
pub struct Release {
    /// Host and folder in front of the image's name.
    pub registry: String,
    /// The tag.
    pub version: String,
    /// The commit, where it is known.
    pub revision: Option<String>,
    /// Where the sources are published, where they are.
    pub source: Option<String>,
    /// The time of the sources.
    pub time: Epoch,
}

/// A program with the list of what it was made of.
#[derive(Debug)]
pub struct Part {
    /// The program.
    pub program: Program,
    /// `CycloneDX` as JSON; none in test images.
    pub sbom: Option<Vec<u8>>,
}

/// What is in an image on one architecture: its programs, in the order of [`Product::programs`].
#[derive(Debug)]
pub struct Variant {
    /// That of the image's name.
    pub main: Part,
    /// Those beside it.
    pub beside: Vec<Part>,
}

/// Why there is no image of a program.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// The program is not fit for it.
    #[error("cannot put the program into an image")]
    Program(#[from] ProgramError),
    /// Registry or version make no name.
    #[error("cannot name the image")]
    Reference(#[from] ReferenceError),
    /// The writer refused.
    #[error("cannot make the image")]
    Image(#[from] ImageError),
    /// The archive could not be saved.
    #[error("cannot keep the image")]
    Save(#[from] SaveError),
    /// The folder of kept images is not accessible.
    #[error("cannot tidy {path}", path = .path.display())]
    Tidy {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Product {
    /// The names of all programs in the image: the one that it starts, then those beside it.
    pub fn programs(&self) -> impl Iterator<Item = &'static str> {
        iter::once(self.name).chain(self.beside.iter().copied())
    }

    /// The image's full name in a release.
    pub fn reference(&self, release: &Release) -> Result<Reference, ReferenceError> {
        format!("{}/{}:{}", release.registry, self.name, release.version).parse()
    }

    /// The published image.
    pub fn image(
        &self,
        release: &Release,
        variants: impl IntoIterator<Item = Variant>,
    ) -> Result<Image, ReferenceError> {
        let image = Image::new(self.reference(release)?, release.time);
        let image = labels(self, release)
            .into_iter()
            .fold(image, |image, (key, value)| {
                image.label(&format!("org.opencontainers.image.{key}"), value)
            });
        let variants = variants.into_iter();
        Ok(variants.fold(image, |image, variant| {
            let architecture = variant.main.program.architecture();
            image.platform(architecture, self.contents(variant))
        }))
    }

    fn contents(&self, variant: Variant) -> Contents {
        let layer = Layer::new()
            .file("/etc/group", 0o644, GROUP)
            .file("/etc/nsswitch.conf", 0o644, NSSWITCH)
            .file("/etc/passwd", 0o644, PASSWD)
            .file(authorities::PATH, 0o644, authorities::bundle());
        let parts = iter::once(variant.main).chain(variant.beside);
        let layer = self
            .programs()
            .zip(parts)
            .fold(layer, |layer, (name, part)| {
                let layer = match part.sbom {
                    Some(sbom) => layer.file(&sbom_path(name), 0o644, sbom),
                    None => layer,
                };
                part.program.add_to(layer, name)
            });
        let settings = Settings {
            user: USER.to_owned(),
            entrypoint: vec![format!("/{}", self.name)],
            ..Settings::default()
        };
        Contents::new(settings, [layer])
    }
}

/// Where the list of a program's components lies in an image.
pub fn sbom_path(program: &str) -> String {
    format!("/usr/share/sbom/{program}.cdx.json")
}

fn labels<'a>(product: &'a Product, release: &'a Release) -> BTreeMap<&'static str, &'a str> {
    let mut labels = BTreeMap::from([
        ("title", product.title),
        ("description", product.description),
        ("version", release.version.as_str()),
        ("licenses", env!("CARGO_PKG_LICENSE")),
    ]);
    let optional = [("revision", &release.revision), ("source", &release.source)];
    for (key, value) in optional {
        labels.extend(value.as_deref().map(|value| (key, value)));
    }
    labels
}

/// An image on disk, ready for `podman load` and `ctr images import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The archive.
    pub path: PathBuf,
    /// The name under which it is imported.
    pub reference: Reference,
    /// The digest under which a registry or containerd knows it.
    pub digest: crate::oci::Digest,
}

/// The operator's image for tests and demo; see [`test_image`].
pub fn operator_image(program: &Path, version: &str, folder: &Path) -> Result<Kept, ProductError> {
    test_image(OPERATOR, program, &[], version, folder)
}

/// An image for tests and demo, from programs as `cargo build` makes them, called
/// `localhost/<name of the product>:<version>`; `beside` are those of [`Product::beside`].
///
/// It lies in `folder` under a name that ends with its digest: the second call with the same program
/// finds the first one's archive, and one with another program replaces it. Several processes may
/// call this at once.
pub fn test_image(
    product: Product,
    program: &Path,
    beside: &[PathBuf],
    version: &str,
    folder: &Path,
) -> Result<Kept, ProductError> {
    let part = |path: &Path| {
        let program = Program::with_libraries(path)?;
        Ok::<_, ProgramError>(Part {
            program,
            sbom: None,
        })
    };
    let release = Release {
        registry: "localhost".to_owned(),
        version: version.to_owned(),
        revision: None,
        source: None,
        time: Epoch::default(),
    };
    let beside = beside.iter().map(|path| part(path));
    let variant = Variant {
        main: part(program)?,
        beside: beside.collect::<Result<_, _>>()?,
    };
    let image = product.image(&release, [variant])?;
    let archive = image.compression(Compression::None).archive()?;
    keep(&archive, folder)
}

fn keep(archive: &Archive, folder: &Path) -> Result<Kept, ProductError> {
    let (reference, digest) = (archive.reference().clone(), archive.digest().clone());
    let prefix = format!("{}-{}@", reference.name(), reference.tag());
    let name = format!("{prefix}{}.tar", &digest.hex()[..16]);
    let path = folder.join(&name);
    if !path.exists() {
        archive.save(&path)?;
        remove_older(folder, &prefix, &name).map_err(|source| ProductError::Tidy {
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(Kept {
        path,
        reference,
        digest,
    })
}

/// Every build of a program would leave an archive otherwise.
fn remove_older(folder: &Path, prefix: &str, newest: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(".tar") && name != newest {
            // A neighbour may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
