use std::io;
use std::path::{Path, PathBuf};

use fleet_devices_core::vm::{
    CredentialError, FirmwareError, FolderError, InvalidHostPath, RecordError, RedefineError,
    SeedError, VmName,
};

use crate::key_pair::KeyPairError;

/// Why a virtual machine is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// There is none of that name.
    #[error("there is no virtual machine {name}; `fleet-devices vm list` shows those there are")]
    NotFound {
        /// Which.
        name: String,
    },
    /// Somebody else's has that name.
    #[error(
        "the name {name} is taken by {path}, which fleet-devices did not make: {source}; take another name"
    )]
    NameTaken {
        /// Which.
        name: String,
        /// What has it.
        path: PathBuf,
        /// How that is known.
        source: RecordError,
    },
    /// Somebody else's domain has that name.
    #[error(
        "the name {name} is taken by a domain of {connection} that fleet-devices did not make; take another name"
    )]
    DomainTaken {
        /// Which.
        name: String,
        /// Where.
        connection: String,
    },
    /// Machines would run where their files are not.
    #[error(
        "machines are made by the libvirt of this machine, and {connection} is another's: run fleet-devices there"
    )]
    Elsewhere {
        /// The connection.
        connection: String,
    },
    /// Ours, and its record cannot be used.
    #[error("cannot use {path}: {source}; put it right, or delete the machine and create it anew")]
    Record {
        /// The record.
        path: PathBuf,
        /// Why.
        source: RecordError,
    },
    /// It cannot become what is wanted.
    #[error(transparent)]
    Redefine(#[from] RedefineError),
    /// No machine can live there.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file's path that QEMU cannot be given.
    #[error(transparent)]
    Path(#[from] InvalidHostPath),
    /// There is no firmware for it.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// A program is not there.
    #[error("{program} is not installed: install {packages}")]
    NoProgram {
        /// Which.
        program: String,
        /// What has it.
        packages: &'static str,
    },
    /// A program could not be run.
    #[error("failed to run {program}")]
    Start {
        /// Which.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program did not do its part.
    #[error("{program} failed to {what}: {told}")]
    Failed {
        /// Which.
        program: String,
        /// What it was to do.
        what: String,
        /// What it said.
        told: String,
    },
    /// Another program listens there.
    #[error(
        "cannot start {name}: {told}; another program listens on that port. End it, or give the machine another \
         one (vm create {name} --ssh-port)"
    )]
    PortTaken {
        /// Which machine.
        name: String,
        /// What QEMU said.
        told: String,
    },
    /// No port was free.
    #[error("found no free port on 127.0.0.1; give one (--ssh-port)")]
    NoPort,
    /// An image no disk can be made of, or no longer.
    #[error("cannot use the image {path}: {problem}")]
    Image {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: ImageProblem,
    },
    /// A file could not be used.
    #[error("failed to {what} {path}")]
    File {
        /// What for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no room left.
    #[error("no space left for {path}; make room (df -h), then run again")]
    NoSpace {
        /// Which file.
        path: PathBuf,
    },
    /// No key could be made or used.
    #[error(transparent)]
    KeyPair(#[from] KeyPairError),
    /// Nobody could log in with it.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Nobody could log in, or under no such name.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The password could not be hashed.
    #[error("failed to hash the administrator's password: {0}")]
    Password(String),
    /// Its monitor did not do its part.
    #[error("the monitor of {name} failed to {what}: {told}")]
    Monitor {
        /// Which machine.
        name: String,
        /// What was asked.
        what: &'static str,
        /// What went wrong.
        told: String,
    },
    /// It was ended and is still there.
    #[error(
        "QEMU of {name} (process {pid}) does not end; look what holds it (cat /proc/{pid}/stack)"
    )]
    StillThere {
        /// Which machine.
        name: String,
        /// Its process.
        pid: i32,
    },
    /// Another one of us is at work.
    #[error("another fleet-devices has worked in {path} for minutes; wait for it, or end it")]
    Busy {
        /// Where.
        path: PathBuf,
    },
}

/// What is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageProblem {
    /// QEMU cannot read it.
    #[error("{0}")]
    Unreadable(String),
    /// It is of a format that nobody has looked at.
    #[error("it is of format {0}; take a qcow2 or raw one")]
    Format(String),
    /// The disk would have no room for it.
    #[error(
        "it makes a disk of {needed} GiB, more than {given}: ask for a larger disk (--disk {needed})"
    )]
    TooLarge {
        /// What it needs, in GiB.
        needed: u64,
        /// What the disk was to have, in GiB.
        given: u32,
    },
    /// It is not the file any more that the disk was made over.
    #[error(
        "it has changed since the disk was made over it, and what the disk takes from there is no longer \
         right: bring the old file back, or delete the machine and create it anew"
    )]
    Changed,
}

impl VmError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFound",
            Self::NameTaken { .. } | Self::DomainTaken { .. } => "NameTaken",
            Self::Elsewhere { .. } => "Elsewhere",
            Self::Record { .. } => "RecordInvalid",
            Self::Redefine(error) => error.reason(),
            Self::Folder(error) => error.reason(),
            Self::Path(error) => error.reason(),
            Self::Firmware(error) => error.reason(),
            Self::NoProgram { .. } => "ProgramMissing",
            Self::Start { .. } => "Start",
            Self::Failed { .. } => "ProgramFailed",
            Self::PortTaken { .. } => "PortTaken",
            Self::NoPort => "NoPort",
            Self::Image { problem, .. } => problem.reason(),
            Self::File { .. } => "File",
            Self::NoSpace { .. } => "NoSpace",
            Self::KeyPair(error) => error.reason(),
            Self::Credential(error) => error.reason(),
            Self::Seed(error) => error.reason(),
            Self::Password(_) => "Password",
            Self::Monitor { .. } => "Monitor",
            Self::StillThere { .. } => "StillThere",
            Self::Busy { .. } => "Busy",
        }
    }

    /// That there is none of this name.
    pub(super) fn not_found(name: &VmName) -> Self {
        Self::NotFound {
            name: name.to_string(),
        }
    }

    /// For failures to do this with that file.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::File { what, path, source },
        }
    }
}

impl ImageProblem {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "ImageUnreadable",
            Self::Format(_) => "ImageFormat",
            Self::TooLarge { .. } => "ImageTooLarge",
            Self::Changed => "ImageChanged",
        }
    }
}
