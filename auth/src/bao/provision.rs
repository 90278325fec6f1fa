//! Brings OpenBao to what the fleet needs. What is right already is left alone, so that a second
//! run changes nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaultrs::api::sys::requests::EnableEngineRequest;
use vaultrs::sys;

use super::client::{BaoError, Session};
use super::endpoint::{exchange, read, write};
use super::setup::{self, JwtSetup, KV_MOUNT, KubernetesSetup, NewJwtConfig, Setup};
use crate::steps::{Mode, Outcome, Step};

/// Why OpenBao was not set up.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// It refused, or could not be asked.
    #[error(transparent)]
    Bao(#[from] BaoError),
    /// Something else is mounted where ours would be. It may hold secrets, so it is left alone.
    #[error("{path} holds {found}, and {wanted} is needed: move it, nothing was changed there")]
    Taken {
        /// Where.
        path: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
}

/// Sets everything up in the order in which one thing needs another; the steps as they would be
/// taken in [`Mode::Plan`]. What failed once is begun again from the start.
///
/// # Errors
/// At the first step that fails; those before it stay done.
pub async fn provision(
    session: &Session,
    setup: &Setup,
    mode: Mode,
) -> Result<Vec<Step>, ProvisionError> {
    let mut run = Run {
        session,
        mode,
        steps: Vec::new(),
    };
    run.audit().await?;
    run.recovery(setup.recovery_key_file.as_deref()).await?;
    run.store().await?;
    for (name, text) in setup::policies() {
        let policy = PolicyText { policy: text };
        let path = format!("sys/policies/acl/{name}");
        run.settle(format!("policy {name}"), &path, policy).await?;
    }
    if let Some(kubernetes) = &setup.kubernetes {
        run.kubernetes(kubernetes).await?;
    }
    if let Some(jwt) = &setup.jwt {
        run.jwt(jwt).await?;
    }
    Ok(run.steps)
}

/// Where a recovery key is made, and whether there is one.
const RECOVERY: &str = "sys/rotate/recovery/init";

#[derive(Debug, Deserialize)]
struct Recovery {
    /// Shares that are needed; none without a key.
    #[serde(default)]
    required: u32,
}

#[derive(Debug, Serialize)]
struct Shares {
    secret_shares: u32,
    secret_threshold: u32,
}

#[derive(Deserialize)]
struct RecoveryKeys {
    keys_base64: Vec<String>,
}

/// A file that only its owner reads; one that is there may hold the only copy of a key.
fn create(path: &Path) -> Result<File, BaoError> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> BaoError {
    BaoError::KeyFile {
        path: path.to_owned(),
        source,
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PolicyText {
    policy: String,
}

/// A mount of a store or a method, of which only this much matters.
#[derive(Debug, Deserialize)]
struct Mounted {
    #[serde(rename = "type")]
    kind: String,
    options: Option<BTreeMap<String, String>>,
}

struct Run<'a> {
    session: &'a Session,
    mode: Mode,
    steps: Vec<Step>,
}

impl Run<'_> {
    fn note(&mut self, what: impl Into<String>, outcome: Outcome) {
        let what = what.into();
        self.steps.push(Step { what, outcome });
    }

    /// OpenBao makes no audit log because the API asks for one: who can, could read every request. So
    /// this only says whether there is one.
    async fn audit(&mut self) -> Result<(), ProvisionError> {
        let logs = read::<BTreeMap<String, Value>>(self.session, "sys/audit").await?;
        if logs.is_some_and(|logs| !logs.is_empty()) {
            self.note("audit log", Outcome::Kept);
        } else {
            let advice = "audit log: declare one in OpenBao's own configuration";
            self.note(advice, Outcome::Missing);
        }
        Ok(())
    }

    /// What the seal's key has sealed is sealed anew with the next one only where there is a recovery
    /// key: without one the first seal key is needed for ever. OpenBao that initialized itself has none.
    async fn recovery(&mut self, file: Option<&Path>) -> Result<(), ProvisionError> {
        let what = "recovery key";
        let state = read::<Recovery>(self.session, RECOVERY).await?;
        if state.is_some_and(|state| state.required > 0) {
            self.note(what, Outcome::Kept);
            return Ok(());
        }
        let Some(path) = file else {
            let advice = "recovery key: without one the seal key cannot be changed; name a file \
                          for it with --recovery-key-file";
            self.note(advice, Outcome::Missing);
            return Ok(());
        };
        if self.mode == Mode::Apply {
            // Before the key is there: it is told once.
            let mut file = create(path)?;
            let wanted = Shares {
                secret_shares: 1,
                secret_threshold: 1,
            };
            let made: RecoveryKeys = exchange(self.session, RECOVERY, &wanted).await?;
            let text = made.keys_base64.join("\n") + "\n";
            let written = file
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_all());
            written.map_err(|source| file_error(path, source))?;
        }
        self.note(what, Outcome::Created);
        Ok(())
    }

    /// The store of records, with versions: a record that was overwritten by mistake comes back.
    async fn store(&mut self) -> Result<(), ProvisionError> {
        const WANTED: &str = "kv of version 2";
        if let Some(mounted) = self.mounted("sys/mounts", KV_MOUNT).await? {
            let options = mounted.options.unwrap_or_default();
            let version = options.get("version").map_or("1", String::as_str);
            if mounted.kind != "kv" || version != "2" {
                return Err(ProvisionError::Taken {
                    path: KV_MOUNT,
                    found: format!("{} of version {version}", mounted.kind),
                    wanted: WANTED,
                });
            }
            self.note("store kv", Outcome::Kept);
            return Ok(());
        }
        if self.mode == Mode::Apply {
            let mut request = EnableEngineRequest::builder();
            request.options([("version".to_owned(), "2".to_owned())]);
            let client = &self.session.client;
            let enabled = sys::mount::enable(client, KV_MOUNT, "kv", Some(&mut request)).await;
            enabled.map_err(|error| refused("mount", KV_MOUNT, error))?;
        }
        self.note("store kv", Outcome::Created);
        Ok(())
    }

    async fn kubernetes(&mut self, setup: &KubernetesSetup) -> Result<(), ProvisionError> {
        self.method("kubernetes").await?;
        let config = setup.config();
        let what = "settings of auth/kubernetes".to_owned();
        self.settle(what, "auth/kubernetes/config", config).await?;
        for (name, role) in setup.roles() {
            let path = format!("auth/kubernetes/role/{name}");
            let what = format!("role {name} of auth/kubernetes");
            self.settle(what, &path, role).await?;
        }
        Ok(())
    }

    async fn jwt(&mut self, setup: &JwtSetup) -> Result<(), ProvisionError> {
        self.method("jwt").await?;
        let what = "settings of auth/jwt".to_owned();
        let (path, config) = ("auth/jwt/config", setup.config());
        self.settle_as(what, path, config, NewJwtConfig::from)
            .await?;
        let name = setup::ENROL_POLICY;
        let path = format!("auth/jwt/role/{name}");
        let what = format!("role {name} of auth/jwt");
        self.settle(what, &path, setup.role()).await
    }

    /// A method to log in, of the type that its path names.
    async fn method(&mut self, kind: &'static str) -> Result<(), ProvisionError> {
        let what = format!("method {kind}");
        if let Some(mounted) = self.mounted("sys/auth", kind).await? {
            if mounted.kind != kind {
                return Err(ProvisionError::Taken {
                    path: kind,
                    found: mounted.kind,
                    wanted: kind,
                });
            }
            self.note(what, Outcome::Kept);
            return Ok(());
        }
        if self.mode == Mode::Apply {
            let enabled = sys::auth::enable(&self.session.client, kind, kind, None).await;
            enabled.map_err(|error| refused("enable", kind, error))?;
        }
        self.note(what, Outcome::Created);
        Ok(())
    }

    async fn mounted(&self, path: &str, name: &str) -> Result<Option<Mounted>, BaoError> {
        let all = read::<BTreeMap<String, Mounted>>(self.session, path).await?;
        Ok(all.unwrap_or_default().remove(&format!("{name}/")))
    }

    /// Compares what is at `path` and writes what is wanted if it differs.
    async fn settle<T>(&mut self, what: String, path: &str, wanted: T) -> Result<(), ProvisionError>
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        self.settle_as(what, path, wanted, |wanted| wanted).await
    }

    /// The same where more is written than is read back.
    async fn settle_as<T, W>(
        &mut self,
        what: String,
        path: &str,
        wanted: T,
        written: impl FnOnce(T) -> W,
    ) -> Result<(), ProvisionError>
    where
        T: DeserializeOwned + PartialEq,
        W: Serialize,
    {
        let found = read::<T>(self.session, path).await?;
        let outcome = match &found {
            Some(found) if *found == wanted => Outcome::Kept,
            Some(_) => Outcome::Changed,
            None => Outcome::Created,
        };
        if outcome != Outcome::Kept && self.mode == Mode::Apply {
            write(self.session, path, &written(wanted)).await?;
        }
        self.note(what, outcome);
        Ok(())
    }
}

fn refused(what: &'static str, path: &str, error: vaultrs::error::ClientError) -> BaoError {
    BaoError::Request {
        what,
        path: path.to_owned(),
        source: error.into(),
    }
}
