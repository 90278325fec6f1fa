//! Executing what the core planned: one task per step.

use std::sync::Arc;
use std::time::Instant;

use fleet_agent_core::engine::{Input, Took};
use fleet_agent_core::{
    Container, DesiredService, Done, Failure, Outcome, RunState, ServiceKey, Step,
};
use fleet_contracts::{DeviceReason, Revision};
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument as _;

use crate::config::Config;
use crate::files::Files;
use crate::podman::{CreateOptions, Podman, PodmanError, Stage};
use crate::probe;

use super::durable::Durable;

/// Runs steps.
#[derive(Debug, Clone)]
pub(super) struct Executor(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    podman: Podman,
    files: Files,
    options: CreateOptions,
    /// Pulls are bounded: several at once starve each other and the device's work.
    pulls: Semaphore,
    durable: Durable,
}

impl Executor {
    pub(super) fn new(config: &Config, podman: Podman) -> Self {
        let options = CreateOptions {
            device: config.device_id.clone(),
            ulimits: config.podman.ulimits.clone(),
        };
        let pulls = Semaphore::new(config.podman.max_parallel_pulls());
        let files = Files::new(&config.state_dir);
        Self(Arc::new(Parts {
            durable: Durable::start(podman.clone()),
            podman,
            files,
            options,
            pulls,
        }))
    }

    /// Starts a step; its outcome comes as an event.
    pub(super) fn start(&self, step: Step, events: mpsc::Sender<Input>) {
        let parts = self.0.clone();
        let span = span(&step);
        let work = async move {
            tracing::debug!(service = %step.key(), step = name(&step), "step");
            let mut took = Took::new();
            let lane = (step.key().clone(), step.lane());
            let outcome = parts.execute(step, &mut took).await;
            let _ = events
                .send(Input::Done {
                    step: lane,
                    outcome,
                    took,
                })
                .await;
        };
        tokio::spawn(work.instrument(span));
    }
}

/// By these fields a change is found again in what the operator logs.
fn span(step: &Step) -> tracing::Span {
    let deployment = &step.key().deployment;
    let revision = step.revision().map(|revision| revision.short());
    tracing::info_span!("change", %deployment, revision)
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::EnsureImage(_) => "ensure-image",
        Step::Remove { .. } => "remove",
        Step::Run(_) => "run",
        Step::Start { .. } => "start",
        Step::Unpause { .. } => "unpause",
        Step::Probe { .. } => "probe",
    }
}

impl Parts {
    async fn execute(&self, step: Step, took: &mut Took) -> Outcome {
        let podman = &self.podman;
        match step {
            Step::EnsureImage(service) => {
                let result = timed(took, "image", self.ensure_image(&service)).await;
                outcome(&service, result.map(|()| Done::ImageReady), Stage::Image)
            }
            Step::Remove { key, id } => {
                let result = timed(took, "remove", podman.remove(&id)).await;
                self.files.remove(&key);
                finish(
                    key,
                    None,
                    result.map(|()| Done::Removed { id }),
                    Stage::Remove,
                )
            }
            Step::Run(service) => self.run(&service, took).await,
            Step::Start { service, id } => {
                let result = match self.files.write(&service) {
                    Ok(_) => timed(took, "start", podman.start(&id)).await,
                    Err(error) => Err(error.into()),
                };
                outcome(
                    &service,
                    result.map(|()| Done::Started { id }),
                    Stage::Start,
                )
            }
            Step::Unpause { service, id } => {
                let result = podman.unpause(&id).await;
                outcome(
                    &service,
                    result.map(|()| Done::Unpaused { id }),
                    Stage::Start,
                )
            }
            Step::Probe { service, id } => {
                let result = probe::probe(podman, &service, &id).await;
                outcome(&service, Ok(Done::Probed { id, result }), Stage::Start)
            }
        }
    }

    async fn ensure_image(&self, service: &DesiredService) -> Result<(), PodmanError> {
        let image = service.spec.image.as_str();
        if !self
            .podman
            .needs_pull(image, service.spec.pull_policy)
            .await?
        {
            return Ok(());
        }
        // Never closed, so this only fails when the agent stops.
        let _permit = self.pulls.acquire().await;
        tracing::info!(service = %service.key, image, "pulling");
        self.podman.pull(image).await?;
        self.durable.ask();
        Ok(())
    }

    async fn run(&self, service: &Arc<DesiredService>, took: &mut Took) -> Outcome {
        let created = match self.files.write(service) {
            Ok(files) => {
                timed(
                    took,
                    "create",
                    self.podman.create(service, &files, &self.options),
                )
                .await
            }
            Err(error) => Err(error.into()),
        };
        let id = match created {
            Ok(id) => id,
            Err(error) => return outcome(service, Err(error), Stage::Create),
        };
        let started = timed(took, "start", self.podman.start(&id)).await;
        if started.is_ok() {
            tracing::info!(service = %service.key, container = id.short(), "started");
            self.durable.ask();
        }
        let container = describe(service);
        outcome(
            service,
            started.map(|()| Done::Created { id, container }),
            Stage::Start,
        )
    }
}

fn describe(service: &DesiredService) -> Container {
    let ports = service.spec.ports.iter();
    Container {
        key: service.key.clone(),
        hash: Some(service.hash),
        name: service.container_name.clone(),
        state: RunState::Running { started: 0 },
        ports: ports
            .map(|p| {
                (
                    p.protocol,
                    p.host_port,
                    p.host_ip.or(service.default_host_ip),
                )
            })
            .collect(),
    }
}

async fn timed<T>(took: &mut Took, name: &'static str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    took.insert(name, began.elapsed());
    result
}

fn outcome(service: &DesiredService, result: Result<Done, PodmanError>, stage: Stage) -> Outcome {
    finish(service.key.clone(), Some(service.hash), result, stage)
}

fn finish(
    key: ServiceKey,
    hash: Option<Revision>,
    result: Result<Done, PodmanError>,
    stage: Stage,
) -> Outcome {
    let done = result.unwrap_or_else(|error| {
        let reason: DeviceReason = error.reason(stage);
        Done::Failed(Failure {
            reason,
            message: error.to_string(),
        })
    });
    Outcome { key, hash, done }
}
