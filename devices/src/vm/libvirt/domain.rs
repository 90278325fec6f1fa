//! A machine's domain: the definition that libvirt keeps, and how it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fleet_devices_core::vm::virsh::{DomainState, address_of, document_difference};
use fleet_devices_core::vm::{
    DomainXmlParams, Forward, KvmHost, Ownership, VmFolder, VmName, VmRecord, ownership,
};
use uuid::Uuid;

use super::super::error::VmError;
use super::virsh::Virsh;

const PAUSE: Duration = Duration::from_millis(250);
/// What libvirt made of the definition, beside the machine's other files.
const DEFINED: &str = "domain.xml";

/// A domain of ours that is there.
pub(super) struct Domain {
    pub(super) uuid: Uuid,
    fingerprint: String,
    document: String,
}

impl Virsh {
    /// The domain of this name, if it is ours; `None` where there is none.
    pub(super) async fn domain(&self, name: &VmName) -> Result<Option<Domain>, VmError> {
        let words = ["dumpxml", "--inactive", name.as_str()];
        let Some(document) = self.find("show the domain", &words).await? else {
            return Ok(None);
        };
        let Ownership::Ours { fingerprint } = ownership(&document) else {
            return Err(VmError::DomainTaken {
                name: name.to_string(),
                connection: self.uri().to_string(),
            });
        };
        let uuid = self
            .run("name the domain", &["domuuid", name.as_str()])
            .await?;
        let uuid = uuid.trim().parse().map_err(|_| VmError::Failed {
            program: "virsh".to_owned(),
            what: "name the domain".to_owned(),
            told: uuid.trim().to_owned(),
        })?;
        Ok(Some(Domain {
            uuid,
            fingerprint,
            document,
        }))
    }

    /// Defines it, and keeps what libvirt made of that.
    pub(super) async fn define(
        &self,
        folder: &VmFolder,
        params: &DomainXmlParams,
    ) -> Result<(), VmError> {
        let given = sibling(folder, "domain.new");
        fs::write(&given, params.to_xml()).map_err(VmError::file("write", &given))?;
        let path = given.to_string_lossy().into_owned();
        self.run("define the domain", &["define", "--validate", &path])
            .await?;
        let words = ["dumpxml", "--inactive", params.name.as_str()];
        let made = self.run("show the domain", &words).await?;
        fs::write(&given, made).map_err(VmError::file("write", &given))?;
        let kept = sibling(folder, DEFINED);
        fs::rename(&given, &kept).map_err(VmError::file("write", &kept))
    }

    pub(super) async fn state(&self, name: &VmName) -> Result<DomainState, VmError> {
        let answer = self
            .find("ask for the state", &["domstate", name.as_str()])
            .await?;
        Ok(answer.map_or(DomainState::Off, |text| DomainState::of(&text)))
    }

    /// Starts it, and opens the host's ports that lead to it where its network is QEMU's own.
    pub(super) async fn start(
        &self,
        record: &VmRecord,
        forwards: &[Forward],
    ) -> Result<(), VmError> {
        let name = record.spec.name.as_str();
        self.run("start the domain", &["start", name]).await?;
        for forward in forwards {
            let rule = format!("hostfwd_add {}", forward.rule());
            let words = ["qemu-monitor-command", name, "--hmp", &rule];
            let told = self.run("forward a port", &words).await?;
            // What it cannot do it says, and calls that a success.
            if !told.trim().is_empty() {
                self.destroy(&record.spec.name).await?;
                return Err(VmError::PortTaken {
                    name: name.to_owned(),
                    told: told.trim().to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Cuts its power; one that is off stays off.
    pub(super) async fn destroy(&self, name: &VmName) -> Result<(), VmError> {
        match self.state(name).await? {
            DomainState::Off => Ok(()),
            _ => self
                .run("end the domain", &["destroy", name.as_str()])
                .await
                .map(drop),
        }
    }

    /// Asks the guest to shut down; where it does not listen, its power is cut.
    pub(super) async fn shut_down(&self, name: &VmName, within: Duration) -> Result<(), VmError> {
        let asked = self
            .run("shut the guest down", &["shutdown", name.as_str()])
            .await;
        if let Err(error) = asked {
            tracing::warn!(%name, %error, "it cannot be asked to shut down");
            return self.destroy(name).await;
        }
        let deadline = Instant::now() + within;
        while self.state(name).await? != DomainState::Off {
            if Instant::now() >= deadline {
                tracing::warn!(%name, "it did not shut itself down; its power is cut");
                return self.destroy(name).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Removes the definition, and the firmware's variables with it.
    pub(super) async fn undefine(&self, name: &VmName) -> Result<(), VmError> {
        self.destroy(name).await?;
        let words = ["undefine", "--nvram", "--managed-save", name.as_str()];
        self.find("remove the domain", &words).await.map(drop)
    }

    /// Where the guest answers: by the lease that libvirt's network gave, or by its agent.
    pub(super) async fn address(&self, name: &VmName) -> Option<std::net::Ipv4Addr> {
        for source in ["lease", "agent"] {
            let words = ["domifaddr", name.as_str(), "--source", source];
            // Without an agent this fails, and nothing is known.
            let table = self.run("ask for the address", &words).await;
            if let Some(address) = table.ok().as_deref().and_then(address_of) {
                return Some(address);
            }
        }
        None
    }
}

impl Domain {
    /// What is different from what has to be: for us, and for whoever changed it by hand.
    pub(super) fn difference(&self, folder: &VmFolder, params: &DomainXmlParams) -> Vec<String> {
        if self.fingerprint != params.fingerprint() {
            return vec!["~ its domain is defined otherwise by now".to_owned()];
        }
        match fs::read_to_string(sibling(folder, DEFINED)) {
            Ok(kept) if kept == self.document => vec![],
            Ok(kept) => document_difference(&self.document, &kept),
            Err(_) => vec!["~ its domain is not known to be as it was defined".to_owned()],
        }
    }
}

/// Whether the host's ports lead to a guest: where libvirt has no network for it.
pub(super) fn forwarded(uri: &KvmHost, record: &VmRecord) -> bool {
    *uri == KvmHost::Session || !record.spec.forwards.is_empty()
}

fn sibling(folder: &VmFolder, name: &str) -> PathBuf {
    let folder: &Path = folder.path.as_ref();
    folder.join(name)
}
