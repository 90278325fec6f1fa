//! Its folder and its environment.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fleet_tools::{Tool, Toolbox};
use serde_json::{Value, json};

use super::{ArgoCdError, NAMESPACE, file, make_folder};
use crate::process::Spec;
use crate::secret;

/// The folder in which it keeps everything.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) kubeconfig: PathBuf,
}

/// Folders below it, and the variable that names each.
const FOLDERS: [(&str, &str); 7] = [
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("ARGOCD_TLS_DATA_PATH", "tls"),
    ("ARGOCD_SSH_DATA_PATH", "ssh"),
    ("ARGOCD_GNUPGHOME", "gnupg"),
    ("ARGOCD_GPG_DATA_PATH", "gpg"),
    ("ARGOCD_PLUGINSOCKFILEPATH", "plugins"),
];

impl Home {
    /// Makes it. Argo CD works in the namespace that its kubeconfig names.
    pub(super) fn create(folder: &Path, kubeconfig: &Path) -> Result<Self, ArgoCdError> {
        for (_, name) in FOLDERS {
            make_folder(&folder.join(name))?;
        }
        let text = fs::read(kubeconfig).map_err(|source| file(kubeconfig, source))?;
        let mut config: Value = serde_json::from_slice(&text)?;
        config["contexts"][0]["context"]["namespace"] = json!(NAMESPACE);
        let path = folder.join("kubeconfig");
        let written = secret::write(&path, config.to_string().as_bytes());
        written.map_err(|source| file(&path, source))?;
        Ok(Self {
            folder: folder.to_owned(),
            kubeconfig: path,
        })
    }

    /// A process of it. Which part it is, is decided by the name under which it is started.
    pub(super) fn settle(&self, spec: Spec, toolbox: &Toolbox) -> Result<Spec, ArgoCdError> {
        let name = spec.name.clone();
        let path = search_path(toolbox)?;
        let folders = FOLDERS.iter();
        let spec = folders.fold(spec, |spec, (variable, name)| {
            spec.env(variable, self.folder.join(name))
        });
        Ok(spec
            .without_proxy()
            .env("ARGOCD_BINARY_NAME", name)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", path)
            .env("ARGOCD_FAKE_IN_CLUSTER", "true")
            .env("ARGOCD_GPG_ENABLED", "false")
            // It follows changes of the cluster by itself; git it asks that often.
            .env("ARGOCD_RECONCILIATION_TIMEOUT", "20s")
            .env("ARGOCD_RECONCILIATION_JITTER", "0")
            .env("ARGOCD_SYNC_WAVE_DELAY", "0"))
    }
}

/// It calls `helm` and `git`.
fn search_path(toolbox: &Toolbox) -> Result<OsString, ArgoCdError> {
    let helm = toolbox.path(Tool::Helm)?.parent().map(Path::to_owned);
    let rest = env::var_os("PATH").unwrap_or_default();
    let all = helm.into_iter().chain(env::split_paths(&rest));
    // A folder whose name holds a colon cannot be on any PATH.
    Ok(env::join_paths(all).unwrap_or(rest))
}

/// A program of the machine's.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}
