//! `fleet-agent enrol`: makes this device part of a fleet.
//!
//! Key, request, approval, files: each step is repeated harmlessly, so it can be killed between any
//! two and run again. The file that makes the device enrolled is written last.

mod files;
pub(crate) mod service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleet_agent_core::backoff::Backoff;
use fleet_agent_core::identity::enrolment::Heard;
use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::{
    Approval, DenialReason, DevicePublicKey, EnrolmentRefusal, EnrolmentRequest, EnrolmentToken,
    InvalidToken, SCHEMA_VERSION,
};
use tokio::time::sleep;

pub use crate::identity::key::RsaBits;

use crate::config::{
    ConfigError, EnrolledError, EnrolmentFile, EnrolmentService, FIRST_KEY, IdentityFiles, Written,
};
use crate::https::Trust;
use crate::identity::key::{DeviceKey, KeyError, KeyFile};
use crate::inventory;
use crate::podman::Podman;
use service::Service;

/// While the service does not answer, or is in trouble.
const TROUBLE: Backoff = Backoff {
    base: 1_000,
    cap: 60_000,
};
/// podman may take so long to say who it is; the facts do without it then.
const PODMAN: Duration = Duration::from_secs(5);

/// Why this device is not enrolled. Running the command again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The configuration there is cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What an earlier enrolment wrote cannot be used.
    #[error(transparent)]
    Enrolled(#[from] EnrolledError),
    /// The token's file cannot be read.
    #[error("cannot read the token from {path}: {source}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was given is no token.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// The key cannot be made or used.
    #[error("{0}")]
    Key(String),
    /// The certificates to trust cannot be used.
    #[error("{0}")]
    Trust(String),
    /// A file cannot be written.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The agent's files belong to somebody else.
    #[error("{path} belongs to user {owner}: run this as that user (sudo -u '#{owner}')")]
    OtherUser {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The service refused.
    #[error("refused ({reason}): {}{}", advice(*.reason), with(.message))]
    Refused {
        /// Why, for programs.
        reason: EnrolmentRefusal,
        /// What the service said.
        message: String,
    },
    /// Whoever decides said no.
    #[error("denied ({reason}){}", with(.message))]
    Denied {
        /// Why, for programs.
        reason: DenialReason,
        /// What was said.
        message: String,
    },
    /// The service and this device do not agree on the time, also after the device took the service's.
    #[error("the service does not accept the time that it tells itself; is its clock right?")]
    Clock,
    /// An approval that this version cannot follow.
    #[error("the fleet approved this device, but {0}")]
    Approval(String),
}

impl From<KeyError> for EnrolError {
    fn from(error: KeyError) -> Self {
        Self::Key(error.to_string())
    }
}

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFrom {
    /// On the command line.
    Given(EnrolmentToken),
    /// In a file; `-` is standard input.
    File(PathBuf),
}

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrol {
    /// The service, without a slash at the end.
    pub url: String,
    /// What allows this device to ask; absent to go on with what was asked before.
    pub token: Option<TokenFrom>,
    /// File with the certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who to be.
    pub device_id: Option<DeviceId>,
    /// Labels to carry.
    pub labels: BTreeMap<String, String>,
    /// How long a new key is.
    pub bits: RsaBits,
}

/// Enrols this device; `config_path` may be without a file.
pub async fn run(enrol: &Enrol, config_path: &Path) -> Result<(), EnrolError> {
    let written = Written::load(config_path)?;
    let state_dir = written.state_dir();
    let files = IdentityFiles::in_state_dir(&state_dir);
    if let Some(known) = EnrolmentFile::load(&files)? {
        let (device, file) = (known.approval.device_id, files.enrolment());
        println!(
            "already enrolled as {device}; to enrol anew, remove {}",
            file.display()
        );
        return Ok(());
    }
    files::prepare(&files)?;
    let key = KeyFile(files.key(FIRST_KEY));
    let made = key.ensure(enrol.bits)?;
    let public = key.public_key()?;
    let (what, path) = (if made { "made" } else { "found" }, key.0.display());
    println!(
        "{what} this device's key {path}\n  {}",
        public.fingerprint()
    );
    let request = match &enrol.token {
        Some(token) => Some(request(enrol, &written, token, &public).await?),
        None => None,
    };
    let trust = Trust::from_file(enrol.ca_file.as_deref());
    trust
        .check()
        .map_err(|e| EnrolError::Trust(e.to_string()))?;
    let key: Arc<dyn DeviceKey> = Arc::new(key);
    let id = public.enrolment_id();
    let mut service = Service::new(&enrol.url, trust.clone(), id.clone(), &key, &public);
    let approval = ask(&mut service, request).await?;
    let device = approval.device_id.clone();
    let place = EnrolmentService {
        url: enrol.url.clone(),
        has_ca: files::keep_service_ca(&files, &trust)?,
        enrolment_id: id,
    };
    files::keep(
        &files,
        EnrolmentFile::new(enrol.labels.clone(), *approval, place),
    )?;
    println!(
        "enrolled as {device}; wrote {}",
        files.enrolment().display()
    );
    Ok(())
}

async fn request(
    enrol: &Enrol,
    written: &Written,
    token: &TokenFrom,
    public: &DevicePublicKey,
) -> Result<EnrolmentRequest, EnrolError> {
    let token = match token {
        TokenFrom::Given(token) => token.clone(),
        TokenFrom::File(path) => files::token(path)?,
    };
    let podman = Podman::new(written.podman.socket());
    let podman = tokio::time::timeout(PODMAN, podman.info()).await;
    let podman = podman.ok().and_then(Result::ok);
    Ok(EnrolmentRequest {
        schema_version: SCHEMA_VERSION,
        token,
        public_key: public.clone(),
        device_id: enrol
            .device_id
            .clone()
            .or_else(|| written.device_id.clone()),
        labels: enrol.labels.clone(),
        facts: inventory::read(podman.as_ref(), &written.state_dir()),
    })
}

/// Asks until somebody has decided.
async fn ask(
    service: &mut Service,
    request: Option<EnrolmentRequest>,
) -> Result<Box<Approval>, EnrolError> {
    let id = service.id().clone();
    let mut request = request;
    let (mut troubles, mut skews, mut told) = (0, 0, false);
    let mut waits_for = String::new();
    loop {
        let heard = match &request {
            Some(request) => service.post(request).await?,
            None => service.get().await?,
        };
        let delay = match heard {
            Heard::Approved(approval) => return Ok(approval),
            Heard::Denied(reason, message) => return Err(EnrolError::Denied { reason, message }),
            Heard::Refused(reason, message) => return Err(EnrolError::Refused { reason, message }),
            // Only ever heard of a next key.
            Heard::Added(_) => {
                let (reason, message) = (EnrolmentRefusal::Malformed, String::new());
                return Err(EnrolError::Refused { reason, message });
            }
            Heard::Pending(delay) => {
                (request, troubles, skews) = (None, 0, 0);
                if !told {
                    println!("waiting for approval of enrolment {id}\n  fleet approve {id}");
                    told = true;
                }
                delay
            }
            Heard::Approving(reason, delay) => {
                (request, troubles, skews) = (None, 0, 0);
                // Both may go on for long, and once is enough.
                if waits_for != reason {
                    println!("approved; the fleet cannot finish it yet: {reason}");
                    waits_for = reason;
                }
                delay
            }
            Heard::ClockSkew(_) => {
                skews += 1;
                if skews > 1 {
                    return Err(EnrolError::Clock);
                }
                0
            }
            Heard::Trouble { message, wait } => {
                troubles += 1;
                let delay = TROUBLE.delay(troubles, &mut fastrand::f64).max(wait);
                eprintln!("{message}; trying again in {} s", delay.div_ceil(1000));
                delay
            }
        };
        sleep(Duration::from_millis(delay)).await;
    }
}

/// What the device's owner can do about a refusal.
const fn advice(reason: EnrolmentRefusal) -> &'static str {
    use EnrolmentRefusal as R;
    match reason {
        R::TokenUnknown => {
            "the service knows no such token; is it copied completely, and for this fleet?"
        }
        R::TokenExpired => "the token's time is over; get a new one",
        R::TokenUsed => "the token was used by another device; get a new one",
        R::WrongDevice => "the token is for another device id; see --device-id",
        R::LabelNotAllowed => "the token does not allow these labels; see --label",
        R::AlreadyEnrolled => "this device has asked with another token; run this without a token",
        R::DeviceIdTaken => "another device has this id; choose another, or have it released",
        R::NotFound => "this device has not asked yet, or was forgotten; a token is needed",
        R::BadProof => {
            "the service does not take this device's proof; is --url its public address?"
        }
        R::NotApproved => "the device may not log in (any more), or its key is over",
        R::UnsupportedKey => "the service does not take this device's key",
        R::Malformed => "the two do not understand each other; are their versions far apart?",
        _ => "the service would not",
    }
}

fn with(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    }
}
