//! containerd on the node.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fleet_tools::{Tool, Toolbox};

use super::config::{PLUGINS, SOCKET};
use super::error::file_error;
use super::images::PAUSE;
use super::{NAME, NodeError, PROGRAMS, START_TIME};
use crate::device::machine::{Machine, Part};
use crate::journal::Journal;
use crate::process::{Service, Spec};

/// The service, and its command line.
#[derive(Debug)]
pub(super) struct Containerd {
    spec: Spec,
    service: Service,
    ctr: PathBuf,
}

impl Containerd {
    pub(super) fn new(
        folder: &Path,
        logs: &Path,
        toolbox: &Toolbox,
        journal: &Journal,
    ) -> Result<Self, NodeError> {
        let config = folder.join("containerd.toml");
        fs::write(&config, configuration(&folder.join("cni"))).map_err(file_error(&config))?;
        let program = toolbox.path(Tool::Containerd)?;
        // It looks for its shim there.
        let shim = toolbox.path(Tool::ContainerdShim)?.parent();
        let shim = shim.unwrap_or(Path::new("/")).to_owned();
        let path = env::join_paths([shim].into_iter().chain(env::split_paths(PROGRAMS)));
        let path = path.unwrap_or_else(|_| OsString::from(PROGRAMS));
        let spec = Spec::new(format!("{NAME}-containerd"), program, logs)
            .args(["--config".into(), config])
            .env("PATH", path)
            .without_proxy();
        Ok(Self {
            service: Service::new(spec.clone(), journal.clone()),
            spec,
            ctr: toolbox.path(Tool::Ctr)?.to_owned(),
        })
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    pub(super) async fn start(&self, machine: &Machine) -> Result<(), NodeError> {
        self.service
            .set_spec(machine.inside(self.spec.clone(), Part::Whole)?);
        let before = self.boots();
        self.service.spawn()?;
        let serves = || async { self.boots() > before };
        Ok(self.service.wait_ready(START_TIME, serves).await?)
    }

    /// How often it has said that it serves. Its socket, in the machine's memory, cannot be tried
    /// from here.
    fn boots(&self) -> usize {
        let log = self.service.log();
        log.matches("containerd successfully booted").count()
    }

    /// `ctr`, with what every command of it needs.
    pub(super) fn command(&self, logs: &Path) -> Spec {
        // The namespace in which the kubelet's images and containers are.
        Spec::new(format!("{NAME}-ctr"), &self.ctr, logs).args([
            "--address",
            SOCKET,
            "--namespace",
            "k8s.io",
        ])
    }
}

fn configuration(cni: &Path) -> String {
    let cni = cni.to_string_lossy();
    format!(
        r#"version = 3
# It would make folders of the host, and nothing here uses it.
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.cri.v1.runtime"]
# A machine without CAP_SYS_RESOURCE may not lower the score.
restrict_oom_score_adj = true
# Loading profiles is the host's affair.
disable_apparmor = true

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = {PLUGINS:?}
conf_dir = {cni:?}

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"
"#
    )
}
