//! Our images: what is in them, and what they are called.
//!
//! An image is one program at `/<name>`, two files that give its user a name, one that says in
//! which order names are resolved, and the list of what it is made of. No shell, no loader, no
//! certificates: our programs trust the files they are given, the API server's by Kubernetes and the
//! bus's by `--nats-ca-file`.
//!
//! Nothing belongs to the user and nothing wants to be written, so a container runs with any UID, a
//! read-only root and no capabilities. OpenShift gives pods a random UID in group 0.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
    /// For people who look at an image.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
}

/// The operator.
pub const OPERATOR: Product = Product {
    name: "fleet-operator",
    title: "fleet-operator",
    description: "Turns Deployments of the group fleet.nationtech.io into signed desired state for devices",
};

/// Callout, enrolment service, and the jobs that prepare what they need.
pub const AUTH: Product = Product {
    name: "fleet-auth",
    title: "fleet-auth",
    description: "Answers NATS about each login of a device, and lets devices ask to join the fleet",
};

/// All images that `make images` makes.
pub const PRODUCTS: [Product; 2] = [OPERATOR, AUTH];

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
pub struct Variant {
    /// The program.
    pub program: Program,
    /// `CycloneDX` as JSON; none in test images.
    pub sbom: Option<Vec<u8>>,
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
            let architecture = variant.program.architecture();
            image.platform(architecture, self.contents(variant))
        }))
    }

    fn contents(&self, variant: Variant) -> Contents {
        let layer = Layer::new()
            .file("/etc/group", 0o644, GROUP)
            .file("/etc/nsswitch.conf", 0o644, NSSWITCH)
            .file("/etc/passwd", 0o644, PASSWD);
        let layer = match variant.sbom {
            Some(sbom) => layer.file(&self.sbom_path(), 0o644, sbom),
            None => layer,
        };
        let settings = Settings {
            user: USER.to_owned(),
            entrypoint: vec![format!("/{}", self.name)],
            ..Settings::default()
        };
        Contents::new(settings, [variant.program.add_to(layer, self.name)])
    }

    /// Where the list of components lies in the image.
    pub fn sbom_path(&self) -> String {
        format!("/usr/share/sbom/{}.cdx.json", self.name)
    }
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
    test_image(OPERATOR, program, version, folder)
}

/// An image for tests and demo, from a program as `cargo build` makes it, called
/// `localhost/<name of the product>:<version>`.
///
/// It lies in `folder` under a name that ends with its digest: the second call with the same program
/// finds the first one's archive, and one with another program replaces it. Several processes may
/// call this at once.
pub fn test_image(
    product: Product,
    program: &Path,
    version: &str,
    folder: &Path,
) -> Result<Kept, ProductError> {
    let release = Release {
        registry: "localhost".to_owned(),
        version: version.to_owned(),
        revision: None,
        source: None,
        time: Epoch::default(),
    };
    let variant = Variant {
        program: Program::with_libraries(program)?,
        sbom: None,
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
