//! Test images: a static web server and one page, from scratch.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_images::oci::{
    Architecture, Compression, Contents, Epoch, Image, ImageError as WriterError, Layer,
    ReferenceError, SaveError, Settings,
};

/// Where distributions put a statically linked busybox.
const BUSYBOX: [&str; 4] = [
    "/bin/busybox",
    "/usr/bin/busybox",
    "/sbin/busybox",
    "/usr/sbin/busybox",
];

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no busybox.
    #[error("no busybox was found; tools/system-packages.sh installs a static one")]
    NoBusybox,
    /// It cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Read {
        /// The program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// This machine is neither amd64 nor arm64.
    #[error("no images are made for the architecture of this machine")]
    Architecture,
    /// The name is not a full one.
    #[error("cannot name an image")]
    Reference(#[from] ReferenceError),
    /// The image could not be made.
    #[error("cannot make an image")]
    Image(#[from] WriterError),
    /// The archive could not be written.
    #[error("cannot write an image archive")]
    Save(#[from] SaveError),
}

/// Writes an archive with one image: what [`web`] makes.
pub(crate) fn write_archive(path: &Path, reference: &str, body: &str) -> Result<(), ImageError> {
    let (settings, layer) = web(body)?;
    save(path, reference, settings, layer)
}

/// Writes an archive with the same image for a machine of another architecture, whose static busybox has to be
/// given.
///
/// # Errors
/// When the reference is no full one, or the archive cannot be written.
pub fn write_web_archive(
    path: &Path,
    reference: &str,
    body: &str,
    (architecture, busybox): (Architecture, Vec<u8>),
) -> Result<(), ImageError> {
    let contents = Contents::new(settings(), [layer(busybox, body)]);
    save_for(path, reference, architecture, contents)
}

/// An image: busybox's `httpd` on port 80 serving `body`, and a shell for health checks.
pub(crate) fn web(body: &str) -> Result<(Settings, Layer), ImageError> {
    Ok((settings(), layer(busybox()?, body)))
}

/// Writes an archive with one image of one layer.
pub(crate) fn save(
    path: &Path,
    reference: &str,
    settings: Settings,
    layer: Layer,
) -> Result<(), ImageError> {
    let here = Architecture::here().ok_or(ImageError::Architecture)?;
    save_for(path, reference, here, Contents::new(settings, [layer]))
}

fn save_for(
    path: &Path,
    reference: &str,
    architecture: Architecture,
    contents: Contents,
) -> Result<(), ImageError> {
    Image::new(reference.parse()?, Epoch::default())
        .compression(Compression::None)
        .platform(architecture, contents)
        .archive()?
        .save(path)?;
    Ok(())
}

/// The machine's static busybox: a shell with its tools for an image of a test.
///
/// # Errors
/// When it is not installed.
pub fn busybox() -> Result<Vec<u8>, ImageError> {
    let busybox = BUSYBOX.iter().map(Path::new).find(|path| path.is_file());
    let busybox = busybox.ok_or(ImageError::NoBusybox)?;
    fs::read(busybox).map_err(|source| ImageError::Read {
        path: busybox.to_owned(),
        source,
    })
}

fn layer(busybox: Vec<u8>, body: &str) -> Layer {
    let users = "root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n";
    let layer = Layer::new()
        .file("/bin/busybox", 0o755, busybox)
        .file("/etc/passwd", 0o644, users)
        .file("/www/index.html", 0o644, body)
        .folder("/tmp", 0o1777);
    let applets = [
        "sh", "sleep", "cat", "ls", "echo", "env", "id", "wget", "false", "true", "test",
    ];
    applets.iter().fold(layer, |layer, applet| {
        layer.link(&format!("/bin/{applet}"), "busybox")
    })
}

fn settings() -> Settings {
    let command = ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"];
    Settings {
        command: command.map(str::to_owned).to_vec(),
        environment: vec!["PATH=/bin".into()],
        ports: vec!["80/tcp".into()],
        // busybox ignores SIGTERM as a container's first process; SIGKILL ends it without the ten
        // seconds of waiting.
        stop_signal: Some("SIGKILL".into()),
        ..Settings::default()
    }
}
