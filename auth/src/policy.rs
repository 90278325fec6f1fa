//! Where policies come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use fleet_auth_core::policy::PolicyBook;
use fleet_auth_core::{DevicePolicy, Policies as _};
use fleet_contracts::DeviceId;
use tokio::sync::watch;

use crate::bao::{DenialError, OpenBaoPolicies};
use crate::board::{Board, ShutOut};
use fleet_service::chain;

/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why there is no policy, neither a good nor a bad one.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("failed to read the policies from {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no policies")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It would restrict labels, which only a record in OpenBao can.
    #[error("{path} has allowedLabels for {of}: only records in OpenBao can restrict labels")]
    Labels {
        /// The file.
        path: PathBuf,
        /// The device, or `default`.
        of: String,
    },
    /// OpenBao holds no good record, or cannot be asked.
    #[error("failed to read the policy from OpenBao")]
    Record(#[from] crate::bao::RecordError),
    /// OpenBao did not take a denial.
    #[error("failed to write a denial to OpenBao")]
    Denial(#[from] DenialError),
}

impl PolicyError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::File { .. } => "PolicyFile",
            Self::Malformed { .. } | Self::Labels { .. } => "PolicyMalformed",
            Self::Record(_) => "PolicyRecord",
            Self::Denial(_) => "PolicyDenial",
        }
    }
}

/// Policies by device, from wherever they are.
pub trait PolicySource: Send + Sync + 'static {
    /// The policy of a device; none if it is not to be let in.
    fn of(
        &self,
        device: &DeviceId,
    ) -> impl Future<Output = Result<Option<DevicePolicy>, PolicyError>> + Send;

    /// Who is shut out, now and at every change: their connections are to end.
    fn shut_out(&self) -> watch::Receiver<ShutOut>;

    /// A clone was found: it is shut out from now on, for a while.
    fn hold(&self, device: &DeviceId, now: Instant);

    /// Writes down that a clone is shut out until somebody decides otherwise. Where nothing can be
    /// written this does nothing.
    fn deny_clone(&self, device: &DeviceId)
    -> impl Future<Output = Result<(), PolicyError>> + Send;
}

/// Policies from where the command line says.
#[derive(Debug, Clone)]
pub enum ChosenPolicies {
    /// A file.
    File(Arc<FilePolicies>),
    /// OpenBao.
    Bao(Arc<OpenBaoPolicies>),
}

impl ChosenPolicies {
    /// Takes up what is decided from now on, for ever.
    pub async fn follow(self) {
        match self {
            Self::File(policies) => policies.follow().await,
            Self::Bao(policies) => policies.follow().await,
        }
    }
}

impl PolicySource for ChosenPolicies {
    async fn of(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, PolicyError> {
        match self {
            Self::File(policies) => policies.of(device).await,
            Self::Bao(policies) => policies.of(device).await,
        }
    }

    fn shut_out(&self) -> watch::Receiver<ShutOut> {
        match self {
            Self::File(policies) => policies.shut_out(),
            Self::Bao(policies) => policies.shut_out(),
        }
    }

    fn hold(&self, device: &DeviceId, now: Instant) {
        match self {
            Self::File(policies) => policies.hold(device, now),
            Self::Bao(policies) => policies.hold(device, now),
        }
    }

    async fn deny_clone(&self, device: &DeviceId) -> Result<(), PolicyError> {
        match self {
            Self::File(policies) => policies.deny_clone(device).await,
            Self::Bao(policies) => policies.deny_clone(device).await,
        }
    }
}

/// Policies in a file. What was read last stays in force while the file is unreadable.
#[derive(Debug)]
pub struct FilePolicies {
    path: PathBuf,
    book: RwLock<Arc<PolicyBook>>,
    board: Board,
}

impl FilePolicies {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        let (book, board) = (read(path)?, Board::default());
        board.decided(shut_out(&book), Instant::now());
        Ok(Self {
            path: path.to_owned(),
            book: RwLock::new(Arc::new(book)),
            board,
        })
    }

    /// Takes up changes of the file, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut seen = changed(&self.path);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = changed(&self.path);
            if now == seen {
                // The time of a clone may be over.
                self.board.decided(shut_out(&self.book()), Instant::now());
                continue;
            }
            match read(&self.path) {
                Ok(book) => {
                    tracing::info!(devices = book.devices.len(), "policies were read again");
                    let out = shut_out(&book);
                    *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
                    // After the policies: whoever is thrown out is not to get in by the old ones.
                    self.board.decided(out, Instant::now());
                }
                Err(error) => {
                    let reason = error.reason();
                    let error = chain(&error);
                    tracing::error!(reason, error, "the previous policies stay in force");
                }
            }
            seen = now;
        }
    }

    fn book(&self) -> Arc<PolicyBook> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&book)
    }
}

impl PolicySource for Arc<FilePolicies> {
    async fn of(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, PolicyError> {
        let policy = self.book().of(device).cloned();
        Ok(policy.map(|policy| DevicePolicy {
            // What the file says stays the reason where it says so itself.
            denied: policy.denied || (policy.enabled && self.board.holds(device)),
            ..policy
        }))
    }

    fn shut_out(&self) -> watch::Receiver<ShutOut> {
        self.board.subscribe()
    }

    fn hold(&self, device: &DeviceId, now: Instant) {
        self.board.hold(device, now);
    }

    /// A file is for people to write.
    async fn deny_clone(&self, _device: &DeviceId) -> Result<(), PolicyError> {
        Ok(())
    }
}

/// Who is listed to be kept out.
fn shut_out(book: &PolicyBook) -> BTreeSet<DeviceId> {
    let listed = book.devices.iter();
    let out = listed.filter(|(_, policy)| policy.denied || !policy.enabled);
    out.map(|(device, _)| device.clone()).collect()
}

fn read(path: &Path) -> Result<PolicyBook, PolicyError> {
    let text = std::fs::read(path).map_err(|source| PolicyError::File {
        path: path.to_owned(),
        source,
    })?;
    let book: PolicyBook =
        serde_json::from_slice(&text).map_err(|source| PolicyError::Malformed {
            path: path.to_owned(),
            source,
        })?;
    match book.restricts_labels_of() {
        None => Ok(book),
        Some(of) => Err(PolicyError::Labels {
            path: path.to_owned(),
            of,
        }),
    }
}

/// When the file was written, and how long it is.
fn changed(path: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}
