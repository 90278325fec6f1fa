//! What the steps share: the cluster, the podman, the agent, and what was made.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_api::{Deployment, Device, DeviceEnrolment};
use fleet_check_core::Step;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tempfile::TempDir;

use super::leaving::{self, Remains};
use super::wait::Waiting;
use super::{StartError, TripError};
use crate::agent::{Agent, Echo, Running};
use crate::args::RoundTripArgs;
use crate::podman::Podman;

/// The name of the agent's program.
const AGENT: &str = "fleet-agent";

/// The objects of a check.
pub(super) struct Cluster {
    pub(super) enrolments: Api<DeviceEnrolment>,
    pub(super) devices: Api<Device>,
    pub(super) deployments: Api<Deployment>,
    pub(super) tokens: Api<Secret>,
}

/// A check under way.
pub(super) struct Trip {
    pub(super) cluster: Cluster,
    pub(super) podman: Podman,
    pub(super) agent: Agent,
    pub(super) url: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) waiting: Waiting,
    /// The agent's process, if there is one.
    pub(super) process: Option<Running>,
    /// The token, until it is used.
    pub(super) token: Option<fleet_contracts::enrolment::EnrolmentToken>,
    /// What Secrets of tokens are called that were made.
    pub(super) made: Vec<String>,
    pub(super) limit: Duration,
    /// With all that the agent writes, and its socket; removed when dropped.
    _folder: TempDir,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> StartError {
    move |source| StartError::Folder {
        path: path.to_owned(),
        source,
    }
}

impl Trip {
    /// Nothing is made in the cluster yet.
    pub(super) async fn start(args: &RoundTripArgs) -> Result<Self, StartError> {
        let client = fleet_service::cluster::client().await?;
        // For its owner alone: the agent keeps its key there.
        let folder = tempfile::Builder::new().prefix("fleet-check-").tempdir();
        let folder = folder.map_err(failed(&env::temp_dir()))?;
        let socket = folder.path().join("podman.sock");
        let podman = Podman::serve(&socket).map_err(failed(&socket))?;
        let program = args.agent.clone().unwrap_or_else(beside);
        let echo = if args.verbose { Echo::Yes } else { Echo::No };
        let nats = args.nats_url.as_deref().filter(|url| !url.is_empty());
        let agent = Agent::prepare(program, folder.path(), &socket, nats, echo)?;
        Ok(Self {
            cluster: Cluster {
                enrolments: Api::all(client.clone()),
                devices: Api::all(client.clone()),
                deployments: Api::namespaced(client.clone(), &args.namespace),
                tokens: Api::namespaced(client, &args.token_namespace),
            },
            podman,
            agent,
            url: args.url().to_owned(),
            ca_file: args.ca_file.clone(),
            waiting: Waiting::default(),
            process: None,
            token: None,
            made: Vec::new(),
            limit: args.limit(),
            _folder: folder,
        })
    }

    /// Does one step.
    pub(super) async fn go(&mut self, step: Step) -> Result<(), TripError> {
        match step {
            Step::Sweep | Step::Leave => {
                let remains = self.leave(self.limit).await;
                if remains.is_empty() {
                    Ok(())
                } else {
                    Err(TripError::Remains(remains))
                }
            }
            Step::Token => self.make_token().await,
            Step::Ask => self.ask().await,
            Step::Approve => self.approve().await,
            Step::LogIn => self.log_in().await,
            Step::Deploy => self.deploy().await,
            Step::Change => self.change().await,
            Step::Delete => self.delete().await,
        }
    }

    /// Removes everything, in `patience` for each kind of thing, and says what is still there.
    pub(super) async fn leave(&mut self, patience: Duration) -> Vec<Remains> {
        if let Some(process) = self.process.take() {
            process.stop().await;
        }
        let remains = leaving::leave(&self.cluster, &self.made, patience).await;
        if remains.is_empty() {
            self.made.clear();
        }
        remains
    }

    /// What the agent said last.
    pub(super) fn last_words(&self) -> Vec<String> {
        let said = self.process.as_ref().map(Running::last_words);
        said.unwrap_or_default()
    }

    /// Whether the agent ended by itself, which it must not.
    pub(super) fn check_agent(process: Option<&mut Running>) -> Result<(), TripError> {
        let ended = process.map(Running::ended).transpose()?.flatten();
        ended.map_or(Ok(()), |status| Err(TripError::Ended(status)))
    }
}

/// The agent beside this program.
fn beside() -> PathBuf {
    let own = env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent);
    folder.map_or_else(|| AGENT.into(), |folder| folder.join(AGENT))
}
