use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

use super::{BackingImage, VmRecord};
use crate::vm::credential::AuthorizedKey;
use crate::vm::definition::{DiskCache, Forward};
use crate::vm::seed::AdminUser;
use crate::vm::spec::VmSpec;

/// What a record says of who wrote it. A folder without one that says so is somebody else's.
const MADE_BY: &str = "fleet-devices";
/// What this program writes, and the newest that it reads.
const SCHEMA: u32 = 1;

/// Why a record is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Somebody else wrote it.
    #[error("it does not say that fleet-devices made it")]
    Foreign,
    /// A newer one of us wrote it.
    #[error("a newer fleet-devices wrote it (schema {0}); use that one")]
    Newer(u32),
    /// Something in it is not as it was written.
    #[error("its {0} cannot be read; somebody may have changed it")]
    Invalid(&'static str),
}

/// The record, as it lies in the folder.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    made_by: String,
    schema_version: u32,
    name: String,
    architecture: String,
    vcpus: NonZeroU16,
    memory_mib: NonZeroU32,
    disk_gib: NonZeroU32,
    disk_cache: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<WrittenImage>,
    ssh_port: NonZeroU16,
    #[serde(default)]
    forwards: Vec<WrittenForward>,
    admin: WrittenAdmin,
    created: u64,
}

#[derive(Serialize, Deserialize)]
struct WrittenImage {
    path: String,
    bytes: u64,
    modified: u64,
}

#[derive(Serialize, Deserialize)]
struct WrittenForward {
    host: NonZeroU16,
    guest: NonZeroU16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenAdmin {
    name: String,
    authorized_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// What every record has had, and will have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    made_by: String,
    schema_version: u32,
}

impl VmRecord {
    /// As it lies in the folder. It may hold a password's hash.
    pub fn to_text(&self) -> String {
        let spec = &self.spec;
        let admin = &spec.admin;
        let image = self.image.as_ref().map(|image| WrittenImage {
            path: image.path.to_string(),
            bytes: image.bytes,
            modified: image.modified,
        });
        let forwards = spec.forwards.iter().map(|forward| WrittenForward {
            host: forward.host,
            guest: forward.guest,
        });
        let keys = admin.authorized_keys().iter();
        let written = Written {
            made_by: MADE_BY.to_owned(),
            schema_version: SCHEMA,
            name: spec.name.to_string(),
            architecture: spec.architecture.to_string(),
            vcpus: spec.vcpus,
            memory_mib: spec.memory_mib,
            disk_gib: spec.disk_gib,
            disk_cache: spec.disk_cache.as_str().to_owned(),
            image,
            ssh_port: self.ssh_port,
            forwards: forwards.collect(),
            admin: WrittenAdmin {
                name: admin.name().to_owned(),
                authorized_keys: keys.map(|key| key.as_str().to_owned()).collect(),
                password: admin.password().map(|it| it.as_str().to_owned()),
            },
            created: self.created,
        };
        // Nothing in it is a number that JSON does not know, or a map with other keys than texts.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }

    /// The opposite of [`VmRecord::to_text`].
    ///
    /// # Errors
    /// When we did not write it, or not so.
    pub fn of_text(text: &str) -> Result<Self, RecordError> {
        let origin: Origin = serde_json::from_str(text).map_err(|_| RecordError::Foreign)?;
        if origin.made_by != MADE_BY {
            return Err(RecordError::Foreign);
        }
        if origin.schema_version > SCHEMA {
            return Err(RecordError::Newer(origin.schema_version));
        }
        let written = serde_json::from_str(text).map_err(|_| RecordError::Invalid("content"))?;
        read(written)
    }
}

fn read(written: Written) -> Result<VmRecord, RecordError> {
    let forwards = written.forwards.iter().map(|forward| Forward {
        host: forward.host,
        guest: forward.guest,
    });
    let image = written.image.map(|image| {
        Ok(BackingImage {
            path: text(&image.path, "image")?,
            bytes: image.bytes,
            modified: image.modified,
        })
    });
    let image: Option<BackingImage> = image.transpose()?;
    let cache = DiskCache::named(&written.disk_cache);
    Ok(VmRecord {
        spec: VmSpec {
            name: text(&written.name, "name")?,
            architecture: text(&written.architecture, "architecture")?,
            vcpus: written.vcpus,
            memory_mib: written.memory_mib,
            disk_gib: written.disk_gib,
            disk_cache: cache.ok_or(RecordError::Invalid("disk cache"))?,
            image: image.as_ref().map(|image| image.path.clone()),
            ssh_port: None,
            forwards: forwards.collect(),
            admin: admin(&written.admin)?,
        },
        ssh_port: written.ssh_port,
        image,
        created: written.created,
    })
}

fn admin(written: &WrittenAdmin) -> Result<AdminUser, RecordError> {
    let what = "administrator";
    let keys = written.authorized_keys.iter();
    let keys: Vec<AuthorizedKey> = keys.map(|key| text(key, what)).collect::<Result<_, _>>()?;
    let password = written.password.as_deref();
    let password = password.map(|hash| text(hash, what)).transpose()?;
    let admin = AdminUser::new(keys, password).and_then(|admin| admin.named(&written.name));
    admin.map_err(|_| RecordError::Invalid(what))
}

fn text<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, RecordError> {
    text.parse().map_err(|_| RecordError::Invalid(what))
}
