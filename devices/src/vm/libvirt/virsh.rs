use std::process::Stdio;
use std::time::Duration;

use fleet_devices_core::vm::KvmHost;
use tokio::process::Command;

use super::super::error::VmError;

const VIRSH: &str = "virsh";
const PACKAGES: &str =
    "libvirt-clients (Debian, Ubuntu), libvirt-client (Fedora) or libvirt (Arch)";
/// Longer than libvirt takes to ask every emulator what it can do, when it has just been started.
const ANSWERS_WITHIN: Duration = Duration::from_secs(180);

/// A libvirt that is asked.
#[derive(Debug, Clone)]
pub(super) struct Virsh {
    uri: KvmHost,
}

impl Virsh {
    pub(super) const fn at(uri: KvmHost) -> Self {
        Self { uri }
    }

    pub(super) const fn uri(&self) -> &KvmHost {
        &self.uri
    }

    /// Does something that has to go well; what is printed.
    pub(super) async fn run(&self, what: &str, words: &[&str]) -> Result<String, VmError> {
        match self.ask(words).await? {
            Ok(text) => Ok(text),
            Err(told) => Err(failed(what, told)),
        }
    }

    /// Asks for something that may not be there; `None` where that is what libvirt says.
    pub(super) async fn find(&self, what: &str, words: &[&str]) -> Result<Option<String>, VmError> {
        match self.ask(words).await? {
            Ok(text) => Ok(Some(text)),
            Err(told) if is_missing(&told) => Ok(None),
            Err(told) => Err(failed(what, told)),
        }
    }

    /// What it prints, or what it complains about.
    async fn ask(&self, words: &[&str]) -> Result<Result<String, String>, VmError> {
        let uri = self.uri.to_string();
        let ran = Command::new(VIRSH)
            .args(["--quiet", "--connect", &uri])
            .args(words)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let Ok(ran) = tokio::time::timeout(ANSWERS_WITHIN, ran).await else {
            return Ok(Err(format!(
                "no answer within {} s",
                ANSWERS_WITHIN.as_secs()
            )));
        };
        let output = ran.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => VmError::NoProgram {
                program: VIRSH.to_owned(),
                packages: PACKAGES,
            },
            _ => VmError::Start {
                program: VIRSH.to_owned(),
                source,
            },
        })?;
        Ok(if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let told = String::from_utf8_lossy(&output.stderr);
            Err(told.trim().replace("error: ", "").replace('\n', "; "))
        })
    }
}

fn failed(what: &str, told: String) -> VmError {
    VmError::Failed {
        program: VIRSH.to_owned(),
        what: what.to_owned(),
        told,
    }
}

/// virsh has one exit status for all failures.
fn is_missing(told: &str) -> bool {
    [
        "failed to get domain",
        "failed to get pool",
        "Domain not found",
        "Storage pool not found",
    ]
    .iter()
    .any(|words| told.contains(words))
}
