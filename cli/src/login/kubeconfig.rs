//! The user of a kubeconfig who logs in through us: found, and written.
//!
//! A kubeconfig is changed as a document: what this program does not know stays in it. Comments do
//! not survive, as they do not survive `kubectl config`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode, Kubeconfig};
use serde_json::{Value, json};

use super::application::Application;
use super::credential;
use crate::args::DocumentFormat;
use crate::document::{self, DocumentError};

/// As long as `kubectl config` of another terminal may take.
const LOCK_TIME: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(50);

/// Why a kubeconfig was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// There is none.
    #[error("there is no kubeconfig to write to; state --kubeconfig")]
    None,
    /// None of the files has the context.
    #[error("no kubeconfig has the context {0:?}, which is to use the login")]
    NoContext(String),
    /// No context is chosen.
    #[error("the kubeconfig has no current context; state --context")]
    NoCurrentContext,
    /// The file is no kubeconfig.
    #[error("{path} is not a kubeconfig: it has no list {list:?}", path = .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is missing or of another kind.
        list: &'static str,
    },
    /// The file is not YAML.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The user cannot be written down.
    #[error("cannot describe the kubeconfig's user")]
    User(#[source] serde_json::Error),
    /// The file cannot be written.
    #[error("cannot write {path}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// kubectl, or what was left of it, keeps the file.
    #[error("{path} exists: kubectl is changing the kubeconfig, or was killed while it did", path = .0.display())]
    Locked(PathBuf),
}

/// The application of the user of this context, else of the current one, if it is one of ours.
pub fn application(config: &Kubeconfig, context: Option<&str>) -> Option<Application> {
    let context = context.or(config.current_context.as_deref())?;
    let context = config.contexts.iter().find(|c| c.name == context)?;
    let user = context.context.as_ref()?.user.as_deref()?;
    let user = config.auth_infos.iter().find(|u| u.name == user)?;
    let exec = user.auth_info.as_ref()?.exec.as_ref()?;
    Application::of_command(exec.command.as_deref()?, exec.args.as_deref()?)
}

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The user's name in the kubeconfig.
    pub user: &'a str,
    /// The program that kubectl runs.
    pub command: &'a str,
    /// What it logs in to.
    pub application: &'a Application,
    /// The context that shall use it, else the current one.
    pub context: Option<&'a str>,
}

/// Writes the user, and lets the context use it; says what was changed. The user goes into the
/// file that has the context.
pub async fn write(files: &[PathBuf], change: &Change<'_>) -> Result<Vec<String>, KubeconfigError> {
    if files.is_empty() {
        return Err(KubeconfigError::None);
    }
    let context = context_name(files, change)?;
    for path in files {
        // A link stays a link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let _lock = Lock::take(&path).await?;
        let mut document = document::read(&path)?;
        if let Some(said) = edit(&mut document, &path, &context, change)? {
            if !said.is_empty() {
                replace(&path, &document)?;
            }
            return Ok(said);
        }
    }
    Err(KubeconfigError::NoContext(context))
}

/// The first file that names a current context decides, as for kubectl.
fn context_name(files: &[PathBuf], change: &Change<'_>) -> Result<String, KubeconfigError> {
    if let Some(context) = change.context {
        return Ok(context.to_owned());
    }
    for path in files {
        let document = document::read(path)?;
        let current = document.get("current-context").and_then(Value::as_str);
        if let Some(current) = current.filter(|name| !name.is_empty()) {
            return Ok(current.to_owned());
        }
    }
    Err(KubeconfigError::NoCurrentContext)
}

/// What was changed; `None` if the document does not have the context.
fn edit(
    document: &mut Value,
    path: &Path,
    context: &str,
    change: &Change<'_>,
) -> Result<Option<Vec<String>>, KubeconfigError> {
    let shape = |list| KubeconfigError::Shape {
        path: path.to_owned(),
        list,
    };
    if document.is_null() {
        return Ok(None);
    }
    let kubeconfig = document.as_object_mut().ok_or_else(|| shape("contexts"))?;
    let Some(contexts) = kubeconfig.get_mut("contexts").and_then(Value::as_array_mut) else {
        return Ok(None);
    };
    let Some(found) = named(contexts, context) else {
        return Ok(None);
    };
    let mut said = Vec::new();
    let file = path.display();
    let body = found.get_mut("context").and_then(Value::as_object_mut);
    let body = body.ok_or_else(|| shape("contexts"))?;
    let before = body.insert("user".to_owned(), json!(change.user));
    let before = before.as_ref().and_then(Value::as_str).unwrap_or_default();
    if before != change.user {
        let was = match before {
            "" => String::new(),
            before => format!(", no longer {before:?}, who stays in the file"),
        };
        said.push(format!(
            "{file}: context {context:?} uses user {:?}{was}",
            change.user
        ));
    }
    let users = kubeconfig.entry("users").or_insert(Value::Null);
    if users.is_null() {
        *users = json!([]);
    }
    let users = users.as_array_mut().ok_or_else(|| shape("users"))?;
    let user = serde_json::to_value(user(change)).map_err(KubeconfigError::User)?;
    match named(users, change.user) {
        Some(found) if found.get("user") == Some(&user) => {}
        Some(found) => {
            *found = json!({"name": change.user, "user": user});
            said.push(format!("{file}: user {:?} replaced", change.user));
        }
        None => {
            users.push(json!({"name": change.user, "user": user}));
            said.push(format!("{file}: user {:?} added", change.user));
        }
    }
    Ok(Some(said))
}

fn named<'a>(list: &'a mut [Value], name: &str) -> Option<&'a mut Value> {
    list.iter_mut()
        .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
}

fn user(change: &Change<'_>) -> AuthInfo {
    AuthInfo {
        exec: Some(ExecConfig {
            api_version: Some(credential::API_VERSION.to_owned()),
            command: Some(change.command.to_owned()),
            args: Some(change.application.arguments()),
            // `fleet token` asks nobody anything.
            interactive_mode: Some(ExecInteractiveMode::Never),
            install_hint: Some("fleet, the command line of fleet-platform, is not on PATH".into()),
            ..ExecConfig::default()
        }),
        ..AuthInfo::default()
    }
}

/// At once, with the permissions that the file had.
fn replace(path: &Path, document: &Value) -> Result<(), KubeconfigError> {
    let failed = |source| KubeconfigError::Write {
        path: path.to_owned(),
        source,
    };
    let before = fs::read_to_string(path).map_err(failed)?;
    let format = if before.trim_start().starts_with('{') {
        DocumentFormat::Json
    } else {
        DocumentFormat::Yaml
    };
    let text = document::write(document, format)?;
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    let next = path.with_file_name(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().display(),
        std::process::id()
    ));
    let written = File::options()
        .create_new(true)
        .write(true)
        .mode(mode & 0o7777)
        .open(&next)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&next, path));
    written.map_err(|source| {
        // What was half written helps nobody.
        let _ = fs::remove_file(&next);
        failed(source)
    })
}

/// The file beside a kubeconfig by which kubectl keeps others away (client-go
/// `tools/clientcmd/config.go`, `lockFile`).
#[derive(Debug)]
struct Lock(PathBuf);

impl Lock {
    async fn take(kubeconfig: &Path) -> Result<Self, KubeconfigError> {
        let mut name = kubeconfig.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let deadline = tokio::time::Instant::now() + LOCK_TIME;
        loop {
            match File::options().create_new(true).write(true).open(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(KubeconfigError::Write {
                        path,
                        source: error,
                    });
                }
                Err(_) if tokio::time::Instant::now() >= deadline => {
                    return Err(KubeconfigError::Locked(path));
                }
                Err(_) => tokio::time::sleep(LOCK_STEP).await,
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
