use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_contracts::DeviceId;
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::fleet::{FleetFile, FleetHost};
use fleet_devices_core::host::{Content, DeviceSetup, Enrolment};

use super::setup::{Failure, SetupArgs};
use crate::host::Target;
use crate::setup::{AgentProgram, Asking, Job, Setup, TokenError};

/// What is said of a host, on the command line or in a file.
pub(super) struct Said<'a> {
    pub(super) target: Target,
    pub(super) agents: &'a [PathBuf],
    pub(super) architecture: Option<VmArchitecture>,
    pub(super) config: Option<&'a Path>,
    pub(super) enrol_url: Option<&'a str>,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) token_file: Option<&'a Path>,
    pub(super) device_id: Option<&'a DeviceId>,
    pub(super) labels: &'a BTreeMap<String, String>,
}

/// Reads what several hosts have in common once.
#[derive(Default)]
pub(super) struct Files {
    agents: BTreeMap<Vec<PathBuf>, Arc<[AgentProgram]>>,
    others: BTreeMap<PathBuf, Vec<u8>>,
}

impl Files {
    fn agents(&mut self, paths: &[PathBuf]) -> Result<Arc<[AgentProgram]>, Failure> {
        if let Some(agents) = self.agents.get(paths) {
            return Ok(Arc::clone(agents));
        }
        let agents = paths.iter().map(|path| AgentProgram::read(path));
        let agents: Arc<[_]> = agents.collect::<Result<Vec<_>, _>>()?.into();
        self.agents.insert(paths.to_vec(), Arc::clone(&agents));
        Ok(agents)
    }

    fn other(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        if let Some(content) = self.others.get(path) {
            return Ok(content.clone());
        }
        let content = std::fs::read(path).map_err(|source| Failure::Read {
            path: path.to_owned(),
            source,
        })?;
        self.others.insert(path.to_owned(), content.clone());
        Ok(content)
    }
}

/// What is to be done with a host.
pub(super) fn job(said: &Said<'_>, args: &SetupArgs, files: &mut Files) -> Result<Job, Failure> {
    let config = match said.config {
        Some(path) => files.other(path)?,
        None => DeviceSetup::labels_only(said.labels).into_bytes(),
    };
    let ca = said.ca_file.map(|path| files.other(path)).transpose()?;
    let asking = said.enrol_url.map(|url| Asking {
        enrolment: Enrolment {
            url: url.to_owned(),
            token: None,
            ca: ca.map(Content::new),
            device_id: said.device_id.cloned(),
            labels: said.labels.clone(),
            within: args.wait.within(),
        },
        token: said.token_file.map(TokenError::read).transpose(),
    });
    Ok(Job {
        target: said.target.clone(),
        setup: Setup {
            agents: files.agents(said.agents)?,
            architecture: said.architecture,
            device: DeviceSetup::device_of(&String::from_utf8_lossy(&config)),
            config: Content::new(config),
            asking,
            wait: args.wait.wait(),
        },
    })
}

/// What is to be done with the hosts of a fleet file. All that can be read here is, before any host is touched.
pub(super) fn jobs(path: &Path, args: &SetupArgs) -> Result<Vec<Job>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })?;
    let fleet = FleetFile::parse(&text).map_err(|source| Failure::Fleet {
        path: path.to_owned(),
        source,
    })?;
    let fleet = fleet.from_folder(path.parent().unwrap_or(Path::new("")));
    let mut files = Files::default();
    let hosts = fleet.hosts.iter();
    let jobs = hosts.map(|host| job(&said(host), args, &mut files));
    jobs.collect()
}

fn said(host: &FleetHost) -> Said<'_> {
    Said {
        target: Target::Remote(host.address.clone()),
        agents: &host.agents,
        architecture: host.architecture,
        config: host.config.as_deref(),
        enrol_url: host.enrol_url.as_deref(),
        ca_file: host.enrol_ca_file.as_deref(),
        token_file: host.enrol_token_file.as_deref(),
        device_id: host.device_id.as_ref(),
        labels: &host.labels,
    }
}
