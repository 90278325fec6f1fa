use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::image::{Checksum, CloudImage, ImageReference, Release, Verification};
use fleet_files::dirs::DirsError;
use fleet_output::{OutputError, tell};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::image::{ImageFailure, ImagePlace, ImageProgress, Images, Patience};
use crate::vm::Folders;

/// Cloud images.
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// What images there are, and how they are verified
    List,
    /// Fetch an image, verify it, and print its path
    ///
    /// What was fetched before is verified again, and fetched only if it is broken. A transfer that breaks
    /// off goes on where it was.
    Fetch {
        /// A name from the list, https://… or a file
        image: ImageReference,
        /// For which processor
        #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
        arch: VmArchitecture,
        #[command(flatten)]
        verified: Verified,
    },
}

/// What an image is verified by where the catalogue does not say it, or should not.
#[derive(Debug, Args)]
pub struct Verified {
    /// What the image must be: SHA-256 or SHA-512, hexadecimal
    #[arg(long, value_name = "HEX")]
    pub checksum: Option<Checksum>,
    /// A file with the key that signs the distribution's checksums; it must be the right one
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no place for one.
    #[error(transparent)]
    Folders(#[from] DirsError),
    /// It cannot be had.
    #[error(transparent)]
    Image(#[from] ImageFailure),
    /// It cannot be said.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Folders(error) => error.reason(),
            Self::Image(error) => error.reason(),
            Self::Output(_) => "Output",
        }
    }
}

pub(super) async fn run(args: &ImageArgs) -> Result<(), Failure> {
    match &args.command {
        ImageCommand::List => tell(list())?,
        ImageCommand::Fetch {
            image,
            arch,
            verified,
        } => {
            let path = fetched(image, *arch, verified).await?;
            tell(format!("{}\n", path.display()))?;
        }
    }
    Ok(())
}

/// The file of an image, fetched if need be.
pub(super) async fn fetched(
    image: &ImageReference,
    architecture: VmArchitecture,
    verified: &Verified,
) -> Result<PathBuf, Failure> {
    let (checksum, mut bar) = (verified.checksum.clone(), Bar::default());
    Ok(images(verified)?
        .file_of(image, architecture, checksum, &mut bar)
        .await?)
}

/// Where it is now; nothing is fetched.
pub(super) async fn place(
    image: &ImageReference,
    architecture: VmArchitecture,
    verified: &Verified,
) -> Result<ImagePlace, Failure> {
    let checksum = verified.checksum.as_ref();
    Ok(images(verified)?
        .place_of(image, architecture, checksum)
        .await?)
}

fn images(verified: &Verified) -> Result<Images, Failure> {
    let folder = Folders::of_user()?.cache().join("images");
    let keyring = verified.keyring.clone();
    Ok(Images::at(&folder, keyring, Patience::default())?)
}

fn list() -> String {
    let mut text = format!("{:<14}{:<10}VERIFIED BY\n", "IMAGE", "ARCH");
    for release in Release::ALL {
        for architecture in VmArchitecture::ALL {
            let image = CloudImage::of(release, architecture);
            let by = match &image.verification {
                Verification::Pinned(_) => "a checksum known to this program".to_owned(),
                Verification::SignedList { key, .. } => {
                    format!("its list, signed by {}", key.fingerprint)
                }
            };
            let (name, architecture) = (release.name(), architecture.uname());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<14}{architecture:<10}{by}");
            let _ = writeln!(text, "{:<24}{}", "", image.url);
        }
    }
    text
}

/// A bar where somebody watches, and lines where not.
#[derive(Debug, Default)]
pub(super) struct Bar {
    bar: Option<ProgressBar>,
}

impl ImageProgress for Bar {
    fn begins(&mut self, what: &str, bytes: Option<u64>) {
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let size = bytes.map(|bytes| format!(" ({})", HumanBytes(bytes)));
        eprintln!("{what}{}", size.unwrap_or_default());
        self.bar = Some(bar);
    }

    fn reached(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    fn ended(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn says(&mut self, line: &str) {
        eprintln!("{line}");
    }
}
