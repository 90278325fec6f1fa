//! Secrets and `ConfigMaps` as files of a container.

use chartgen::{Cond, Document, Expr};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

use super::Program;
use super::overlay::container;

/// One file, from one key of an object whose name and key come from values. The file's name does
/// not: a user's key may be called anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mounted {
    /// The volume.
    pub(crate) volume: &'static str,
    /// Where it is mounted.
    pub(crate) folder: &'static str,
    /// The file there.
    pub(crate) file: &'static str,
    /// What it is a file of.
    pub(crate) source: Source,
}

/// What a file is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A Secret.
    Secret,
    /// All of a Secret: each of its entries is a file.
    Folder,
    /// A `ConfigMap`.
    ConfigMap,
    /// Nothing: the folder is empty and can be written to.
    Empty,
    /// A token of the pod's account, for somebody else than the API server; Kubernetes replaces it in time.
    Token(&'static str),
}

/// As short as Kubernetes allows. Whoever takes the token asks the API server about it, which is also who replaces
/// it: a longer one would outlast nothing that a shorter one does not.
const TOKEN_SECONDS: i64 = 600;

impl Mounted {
    /// A key of a Secret.
    pub(crate) const fn secret(
        volume: &'static str,
        folder: &'static str,
        file: &'static str,
    ) -> Self {
        let source = Source::Secret;
        Self {
            volume,
            folder,
            file,
            source,
        }
    }

    /// All entries of a Secret.
    pub(crate) const fn folder(volume: &'static str, folder: &'static str) -> Self {
        Self {
            volume,
            folder,
            file: "",
            source: Source::Folder,
        }
    }

    /// The path of the file, or of the folder.
    pub(crate) fn path(&self) -> String {
        match self.source {
            Source::Folder => self.folder.to_owned(),
            _ => format!("{}/{}", self.folder, self.file),
        }
    }

    /// The argument that names the file.
    pub(crate) fn flag(&self, flag: &str) -> String {
        format!("--{flag}={}", self.path())
    }

    /// The volume; the overlay fills in what it is taken from.
    pub(crate) fn volume(&self) -> Volume {
        let items = Some(vec![KeyToPath {
            key: self.file.to_owned(),
            path: self.file.to_owned(),
            mode: None,
        }]);
        let mut volume = Volume {
            name: self.volume.to_owned(),
            ..Volume::default()
        };
        match self.source {
            Source::Secret | Source::Folder => {
                volume.secret = Some(SecretVolumeSource {
                    secret_name: Some(self.volume.to_owned()),
                    // Readable for any user id, for none is known; only this container mounts it.
                    default_mode: Some(0o444),
                    items: if self.source == Source::Folder {
                        None
                    } else {
                        items
                    },
                    // The pod waits for a Secret that is not there yet.
                    optional: None,
                });
            }
            Source::ConfigMap => {
                volume.config_map = Some(ConfigMapVolumeSource {
                    name: self.volume.to_owned(),
                    default_mode: Some(0o444),
                    items,
                    optional: None,
                });
            }
            Source::Empty => volume.empty_dir = Some(EmptyDirVolumeSource::default()),
            Source::Token(audience) => {
                let token = ServiceAccountTokenProjection {
                    audience: Some(audience.to_owned()),
                    expiration_seconds: Some(TOKEN_SECONDS),
                    path: self.file.to_owned(),
                };
                volume.projected = Some(ProjectedVolumeSource {
                    default_mode: Some(0o444),
                    sources: Some(vec![VolumeProjection {
                        service_account_token: Some(token),
                        ..VolumeProjection::default()
                    }]),
                });
            }
        }
        volume
    }

    /// Where the container has it.
    pub(crate) fn mount(&self) -> VolumeMount {
        VolumeMount {
            name: self.volume.to_owned(),
            mount_path: self.folder.to_owned(),
            read_only: (self.source != Source::Empty).then_some(true),
            ..VolumeMount::default()
        }
    }

    /// Fills in, in a pod's spec, which object it is and which of its keys.
    #[track_caller]
    pub(crate) fn taken_from(
        &self,
        spec: Document,
        name: impl Into<Expr>,
        key: impl Into<Expr>,
    ) -> Document {
        self.taken_whole(spec, name)
            .bind(&format!("{}/items/0/key", self.object()), key)
    }

    /// Fills in, in a pod's spec, which object it is.
    #[track_caller]
    pub(crate) fn taken_whole(&self, spec: Document, name: impl Into<Expr>) -> Document {
        let field = match self.source {
            Source::Secret | Source::Folder => "secretName",
            Source::ConfigMap | Source::Empty | Source::Token(_) => "name",
        };
        spec.bind(&format!("{}/{field}", self.object()), name)
    }

    /// There, in a pod's spec and in its container, only under a condition.
    #[track_caller]
    pub(crate) fn only_when(&self, spec: Document, program: Program, cond: &Cond) -> Document {
        let mount = format!("/volumeMounts/[name={}]", self.volume);
        spec.when(&self.place(), cond.clone())
            .when(&container(program, &mount), cond.clone())
    }

    /// A token for the API server instead, in a pod's spec, under a condition.
    #[track_caller]
    pub(crate) fn for_api_server_when(&self, spec: Document, cond: &Cond) -> Document {
        let token = "projected/sources/0/serviceAccountToken/audience";
        spec.when(&format!("{}/{token}", self.place()), !cond.clone())
    }

    fn place(&self) -> String {
        format!("/volumes/[name={}]", self.volume)
    }

    fn object(&self) -> String {
        let object = match self.source {
            Source::Secret | Source::Folder => "secret",
            Source::ConfigMap | Source::Empty | Source::Token(_) => "configMap",
        };
        format!("{}/{object}", self.place())
    }
}
