//! Testbeds seen from outside: what runs, whose it is, how to reach and stop it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_tools::{Cache, Tool};
use rustix::process::{Pid, Signal, kill_process};

use crate::journal::{self, JournalError};
use crate::remains;
use crate::testbed::Testbed;
use crate::wait;

/// The file in a testbed's folder with the variables that clients need.
const ENV_FILE: &str = "env.json";
/// How long an owner may take to stop everything.
const STOP_TIME: Duration = Duration::from_secs(30);

/// One testbed, running or crashed, of this or another process.
#[derive(Debug, Clone)]
pub struct Overview {
    folder: PathBuf,
}

impl Overview {
    /// Every testbed in this target folder.
    pub fn all() -> Vec<Self> {
        let mut folders = remains::all();
        folders.sort();
        folders.into_iter().map(|folder| Self { folder }).collect()
    }

    /// A testbed of this process.
    pub fn of(bed: &Testbed) -> Self {
        Self {
            folder: bed.folder().to_owned(),
        }
    }

    /// Its name with its random ending.
    pub fn name(&self) -> &str {
        self.folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("?")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that owns it, if that still runs.
    pub fn owner(&self) -> Option<u32> {
        journal::living_owner(&journal::read(&self.folder))
    }

    /// Whether it is only the logs of a failed test.
    pub fn is_kept(&self) -> bool {
        remains::is_kept(&self.folder)
    }

    /// Its running processes: names and ids.
    pub fn processes(&self) -> Vec<(String, u32)> {
        journal::living_processes(&journal::read(&self.folder))
    }

    /// The variables that point clients at it.
    pub fn env(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.folder.join(ENV_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Folders with the client programs: ours, and `kubectl` once it is built.
    pub fn path_additions(&self) -> Vec<PathBuf> {
        let ours = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(Path::to_owned));
        let kubectl = Cache::from_env().find(Tool::Kubectl);
        let kubectl =
            kubectl.and_then(|path| path.canonicalize().ok()?.parent().map(Path::to_owned));
        [ours, kubectl].into_iter().flatten().collect()
    }

    /// Stops it: asks its owner if there is one, and cleans up after a crashed one.
    ///
    /// # Errors
    /// When something survives or cannot be removed.
    pub fn stop(&self) -> Result<(), JournalError> {
        let owner = self.owner().filter(|pid| *pid != std::process::id());
        if let Some(pid) = owner
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
        {
            // It may end between the look and the signal, which is as good.
            let _ = kill_process(pid, Signal::TERM);
            wait::until_blocking(STOP_TIME, || self.owner().is_none());
        }
        if self.is_kept() {
            return journal::remove(&self.folder);
        }
        remains::clean_one(&self.folder)
    }

    pub(crate) fn write_env(folder: &Path, env: &BTreeMap<String, String>) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(env)?;
        crate::secret::write(&folder.join(ENV_FILE), &text)
    }
}

impl Testbed {
    /// The variables that clients of this testbed need.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let mut add = |key: &str, value: String| env.insert(key.to_owned(), value);
        if let Some(server) = &self.api_server {
            add("KUBECONFIG", server.kubeconfig().display().to_string());
        }
        if let Some(nats) = &self.nats {
            add("NATS_URL", nats.url());
            add("FLEET_NATS_URL", nats.url());
            add(
                "FLEET_NATS_SEED_FILE",
                nats.operator_seed().display().to_string(),
            );
        }
        if let Some(idp) = &self.idp {
            add("FLEET_IDP_ISSUER", idp.issuer());
            add("FLEET_IDP_CA_FILE", idp.ca_file().display().to_string());
        }
        if let Some(openbao) = &self.openbao {
            add("BAO_ADDR", openbao.url());
            add("BAO_CACERT", openbao.ca_file().display().to_string());
        }
        add(
            "FLEET_SIGNING_KEY_FILE",
            self.signing_key.file.display().to_string(),
        );
        env
    }
}
