//! What a machine's folder says of it: that it is ours, and what was defined.

use std::num::NonZeroU16;

use sha2::{Digest as _, Sha256};

use super::credential::{AuthorizedKey, HashedPassword};
use super::path::HostPath;
use super::seed::AdminUser;
use super::spec::VmSpec;

mod text;

pub use text::RecordError;

/// A virtual machine as it was defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmRecord {
    /// What was wanted of it. Its port is never left open here.
    pub spec: VmSpec,
    /// The host's port that leads to its SSH.
    pub ssh_port: NonZeroU16,
    /// The image below its disk, as it was then.
    pub image: Option<BackingImage>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// A file below a disk. It must not change as long as the disk lives: what the disk does not have, it takes
/// from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingImage {
    /// Where it is.
    pub path: HostPath,
    /// Its length, in bytes.
    pub bytes: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub modified: u64,
}

impl BackingImage {
    /// Format and length of the disk that an image is, in bytes, as `qemu-img info --output=json` says them.
    pub fn described(json: &str) -> Option<(String, u64)> {
        let said: serde_json::Value = serde_json::from_str(json).ok()?;
        let format = said.get("format")?.as_str()?;
        let bytes = said.get("virtual-size")?.as_u64()?;
        Some((format.to_owned(), bytes))
    }
}

/// Why a machine cannot become what is wanted. It would take another disk, and the one it has may hold
/// what somebody needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedefineError {
    /// It has another processor.
    #[error(
        "{name} is {was}, not {wanted}, and no machine changes its processor: take another name, or \
         delete it first"
    )]
    OtherArchitecture {
        /// Which.
        name: String,
        /// What it is.
        was: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Its disk was made of another image.
    #[error(
        "the disk of {name} was made of {was}, not of {wanted}: take another name, or delete it first"
    )]
    OtherImage {
        /// Which.
        name: String,
        /// What it was made of.
        was: String,
        /// What it should be made of.
        wanted: String,
    },
    /// Its disk would have to shrink.
    #[error(
        "the disk of {name} has {was} GiB, and a disk can only grow: ask for at least as many, or \
         delete it first"
    )]
    DiskShrinks {
        /// Which.
        name: String,
        /// How large it is.
        was: u32,
    },
}

impl RedefineError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherArchitecture { .. } => "OtherArchitecture",
            Self::OtherImage { .. } => "OtherImage",
            Self::DiskShrinks { .. } => "DiskShrinks",
        }
    }
}

/// What has to be done about a machine that is not what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redefinition {
    /// What it is to be.
    pub record: VmRecord,
    /// What will be different, for people: `-` before what goes and `+` before what comes.
    pub difference: Vec<String>,
    /// Whether its disk grows.
    pub disk_grows: bool,
}

impl Redefinition {
    /// That of a machine that is what is wanted.
    pub const fn none(record: VmRecord) -> Self {
        Self {
            record,
            difference: vec![],
            disk_grows: false,
        }
    }
}

impl VmRecord {
    /// The instance that cloud-init is told of: another one where something else is to be seeded, so that the
    /// next boot takes it in.
    pub fn instance_id(&self) -> String {
        let admin = &self.spec.admin;
        let mut hash = Sha256::new();
        let keys = admin.authorized_keys().iter().map(AuthorizedKey::as_str);
        let password = admin.password().map_or("", HashedPassword::as_str);
        for part in keys.chain([admin.name(), password]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash = format!("{:x}", hash.finalize());
        format!("{}-{}", self.spec.name, hash.get(..16).unwrap_or(&hash))
    }

    /// What has to be done so that it is what is wanted; `None` where nothing has to.
    ///
    /// # Errors
    /// When it cannot become that.
    pub fn redefine(&self, wanted: &VmSpec) -> Result<Option<Redefinition>, RedefineError> {
        self.possible(wanted)?;
        let mut spec = wanted.clone();
        spec.ssh_port = None;
        let record = Self {
            spec,
            ssh_port: wanted.ssh_port.unwrap_or(self.ssh_port),
            ..self.clone()
        };
        let difference = difference(&self.lines(), &record.lines());
        let disk_grows = record.spec.disk_gib > self.spec.disk_gib;
        Ok((record != *self).then_some(Redefinition {
            record,
            difference,
            disk_grows,
        }))
    }

    fn possible(&self, wanted: &VmSpec) -> Result<(), RedefineError> {
        let had = &self.spec;
        let name = || had.name.to_string();
        if had.architecture != wanted.architecture {
            return Err(RedefineError::OtherArchitecture {
                name: name(),
                was: had.architecture.uname(),
                wanted: wanted.architecture.uname(),
            });
        }
        if had.image != wanted.image {
            let shown = |image: &Option<HostPath>| {
                let path = image.as_ref().map(HostPath::to_string);
                path.unwrap_or_else(|| "nothing".to_owned())
            };
            return Err(RedefineError::OtherImage {
                name: name(),
                was: shown(&had.image),
                wanted: shown(&wanted.image),
            });
        }
        if wanted.disk_gib < had.disk_gib {
            return Err(RedefineError::DiskShrinks {
                name: name(),
                was: had.disk_gib.get(),
            });
        }
        Ok(())
    }

    /// All that may change, a line each.
    pub fn lines(&self) -> Vec<String> {
        let spec = &self.spec;
        let mut lines = vec![
            format!("processors {}", spec.vcpus),
            format!("memory {} MiB", spec.memory_mib),
            format!("disk {} GiB", spec.disk_gib),
            format!("disk cache {}", spec.disk_cache.as_str()),
            format!("port {} to 22", self.ssh_port),
        ];
        let forwards = spec.forwards.iter();
        lines.extend(forwards.map(|port| format!("port {} to {}", port.host, port.guest)));
        lines.extend(admin_lines(&spec.admin));
        lines
    }
}

fn admin_lines(admin: &AdminUser) -> Vec<String> {
    let name = admin.name();
    let keys = admin.authorized_keys().iter();
    let mut lines: Vec<_> = keys
        .map(|key| format!("{name} logs in with {}", shortened(key.as_str())))
        .collect();
    if let Some(password) = admin.password() {
        // Whether it is another one can be seen, but not which.
        let hash = format!("{:x}", Sha256::digest(password.as_str()));
        let short = hash.get(..8).unwrap_or(&hash);
        lines.push(format!("{name} logs in with a password ({short})"));
    }
    lines
}

/// A public key without most of itself: its end is what tells it from others.
fn shortened(key: &str) -> String {
    let mut words = key.split_ascii_whitespace();
    let (kind, key) = (words.next(), words.next());
    let (kind, key) = (kind.unwrap_or_default(), key.unwrap_or_default());
    let end = key.get(key.len().saturating_sub(12)..).unwrap_or(key);
    let comment = words.collect::<Vec<_>>().join(" ");
    format!("{kind} ...{end} {comment}").trim_end().to_owned()
}

fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    let gone = gone.map(|line| format!("- {line}"));
    gone.chain(come.map(|line| format!("+ {line}"))).collect()
}

#[cfg(test)]
mod tests;
