//! From what should run and what runs to what to do now.

use std::collections::BTreeSet;
use std::sync::Arc;

use fleet_contracts::Revision;
use fleet_contracts::score::RestartPolicy;

use crate::backoff::Tick;
use crate::desired::{Desired, DesiredDeployment, DesiredService, ServiceKey};
use crate::health::Verdict;
use crate::memory::{Memory, Track};
use crate::observed::{Container, ContainerId, Observed, RunState};

/// One thing to do. Specific enough that executing it leaves no choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make sure that the image is there, by pulling it if the policy says so.
    EnsureImage(Arc<DesiredService>),
    /// Stop and remove.
    Remove {
        /// What the container was for.
        key: ServiceKey,
        /// The container.
        id: ContainerId,
    },
    /// Create and start.
    Run(Arc<DesiredService>),
    /// Start what exists at the right hash.
    Start {
        /// The service.
        service: Arc<DesiredService>,
        /// The container.
        id: ContainerId,
    },
    /// Thaw what was frozen by hand.
    Unpause {
        /// The service.
        service: Arc<DesiredService>,
        /// The container.
        id: ContainerId,
    },
    /// Run the health check once.
    Probe {
        /// The service.
        service: Arc<DesiredService>,
        /// The container.
        id: ContainerId,
    },
}

/// Steps of one service in one lane exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Steps that change something.
    Change,
    /// Health checks.
    Probe,
}

impl Step {
    /// The service it is about.
    pub fn key(&self) -> &ServiceKey {
        match self {
            Self::Remove { key, .. } => key,
            Self::EnsureImage(service)
            | Self::Run(service)
            | Self::Start { service, .. }
            | Self::Unpause { service, .. }
            | Self::Probe { service, .. } => &service.key,
        }
    }

    /// The revision it is for; none where what runs is to be gone, for whichever it was.
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Remove { .. } => None,
            Self::EnsureImage(service)
            | Self::Run(service)
            | Self::Start { service, .. }
            | Self::Unpause { service, .. }
            | Self::Probe { service, .. } => Some(service.revision),
        }
    }

    /// Its lane.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Probe { .. } => Lane::Probe,
            _ => Lane::Change,
        }
    }

    /// Whether it may run before the ledger holds what it is for. Only what starts something new may
    /// not: after a power cut the old ledger would make good what was removed.
    pub const fn may_precede_ledger(&self) -> bool {
        !matches!(self, Self::Run(_) | Self::Start { .. })
    }
}

/// What to do now, and when to ask again if nothing happens before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps that may all run at once; those that have to follow come with the next plan.
    pub steps: Vec<Step>,
    /// The next moment at which time alone changes the plan or the report.
    pub wake_at: Option<Tick>,
}

impl Plan {
    fn wake(&mut self, at: Tick) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Steps under way: each excludes others of its service and lane.
pub type Busy = BTreeSet<(ServiceKey, Lane)>;

/// The steps that may run now.
///
/// For each deployment in this order: fetch the images of all services that need a new container,
/// remove what is stale, create and start. So a bad image costs no downtime, and stale and new
/// never run side by side.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    memory: &Memory,
    busy: &Busy,
    now: Tick,
) -> Plan {
    let mut planner = Planner {
        observed,
        memory,
        busy,
        now,
        plan: Plan::default(),
        leaving: vec![],
    };
    planner.leaving = planner.strangers(desired);
    for id in planner.leaving.clone() {
        planner.remove(&id);
    }
    // All that goes is known before anything is created: a port or name may have to be freed first.
    let sorted: Vec<_> = desired
        .deployments
        .iter()
        .map(|d| (d, sort(d, observed)))
        .collect();
    planner
        .leaving
        .extend(sorted.iter().flat_map(|(_, s)| s.stale.iter().cloned()));
    for (deployment, sorted) in sorted {
        planner.deployment(deployment, &sorted);
    }
    planner
        .plan
        .steps
        .retain(|step| !busy.contains(&(step.key().clone(), step.lane())));
    planner.plan
}

/// The containers of one deployment: the one that is right for each service, and the rest.
struct Sorted {
    current: Vec<Option<(ContainerId, RunState)>>,
    stale: Vec<ContainerId>,
}

fn sort(deployment: &DesiredDeployment, observed: &Observed) -> Sorted {
    if deployment.hold {
        return Sorted {
            current: vec![],
            stale: vec![],
        };
    }
    let mut current = vec![None; deployment.services.len()];
    let mut stale = vec![];
    for (id, container) in &observed.containers {
        if container.key.deployment != deployment.reference {
            continue;
        }
        let fits = |s: &Arc<DesiredService>| {
            s.key == container.key
                && Some(s.hash) == container.hash
                && s.container_name == container.name
        };
        let slot = deployment
            .services
            .iter()
            .position(fits)
            .map(|i| &mut current[i]);
        match slot {
            Some(slot @ None) => *slot = Some((id.clone(), container.state)),
            _ => stale.push(id.clone()),
        }
    }
    Sorted { current, stale }
}

struct Planner<'a> {
    observed: &'a Observed,
    memory: &'a Memory,
    busy: &'a Busy,
    now: Tick,
    plan: Plan,
    /// Containers that are to go.
    leaving: Vec<ContainerId>,
}

impl Planner<'_> {
    fn strangers(&self, desired: &Desired) -> Vec<ContainerId> {
        let wanted = |c: &Container| {
            desired
                .deployments
                .iter()
                .any(|d| d.reference == c.key.deployment)
        };
        let gone = self.observed.containers.iter().filter(|(_, c)| !wanted(c));
        gone.map(|(id, _)| id.clone()).collect()
    }

    fn deployment(&mut self, deployment: &DesiredDeployment, sorted: &Sorted) {
        let missing: Vec<_> = deployment
            .services
            .iter()
            .zip(&sorted.current)
            .filter(|(_, c)| c.is_none())
            .map(|(s, _)| s)
            .collect();
        let mut ready = true;
        for service in &missing {
            ready &= self.image(service);
        }
        if ready {
            for id in &sorted.stale {
                self.remove(id);
            }
        }
        for (service, current) in deployment.services.iter().zip(&sorted.current) {
            if !self.dependencies_work(service, deployment, sorted) {
                continue;
            }
            match current {
                Some((id, state)) => self.keep(service, id, *state),
                None if ready && sorted.stale.is_empty() => self.run(service),
                None => {}
            }
        }
    }

    /// Whether the image is there; if not, asks for it.
    fn image(&mut self, service: &Arc<DesiredService>) -> bool {
        let track = self.memory.track(&service.key);
        if track.is_some_and(|t| t.image_ready) {
            return true;
        }
        if self.may_try(track) {
            self.plan.steps.push(Step::EnsureImage(service.clone()));
        }
        false
    }

    fn remove(&mut self, id: &ContainerId) {
        let Some(container) = self.observed.containers.get(id) else {
            return;
        };
        let track = self.memory.track(&container.key);
        if self.may_try(track) {
            self.plan.steps.push(Step::Remove {
                key: container.key.clone(),
                id: id.clone(),
            });
        }
    }

    fn run(&mut self, service: &Arc<DesiredService>) {
        let track = self.memory.track(&service.key);
        let taken = self
            .leaving
            .iter()
            .filter_map(|id| self.observed.containers.get(id))
            .any(|c| {
                let port = service
                    .claims()
                    .any(|mine| c.claims().any(|theirs| mine.overlaps(&theirs)));
                port || c.name == service.container_name
            });
        if !taken && self.may_try(track) {
            self.plan.steps.push(Step::Run(service.clone()));
        }
    }

    fn keep(&mut self, service: &Arc<DesiredService>, id: &ContainerId, state: RunState) {
        let track = self.memory.track(&service.key);
        let (service, id) = (service.clone(), id.clone());
        match state {
            RunState::Running { .. } => self.probe(service, id),
            RunState::Paused if self.may_try(track) => {
                self.plan.steps.push(Step::Unpause { service, id });
            }
            RunState::Created if self.may_try(track) => self.start(service, id, track),
            RunState::Exited { code } if restarts(service.spec.restart_policy, code) => {
                let not_before = track.map_or(Tick(0), |t| t.not_before);
                if not_before > self.now {
                    self.plan.wake(not_before);
                } else if self.may_try(track) {
                    self.start(service, id, track);
                }
            }
            RunState::Paused | RunState::Created | RunState::Exited { .. } | RunState::Other => {}
        }
    }

    /// Starts a container, or makes room for a new one.
    fn start(&mut self, service: Arc<DesiredService>, id: ContainerId, track: Option<&Track>) {
        let key = service.key.clone();
        self.plan.steps.push(match track {
            Some(track) if track.is_past_starting() => Step::Remove { key, id },
            _ => Step::Start { service, id },
        });
    }

    fn probe(&mut self, service: Arc<DesiredService>, id: ContainerId) {
        let Some(track) = self.memory.track(&service.key) else {
            return;
        };
        if let Some(at) = track.stable_at() {
            self.plan.wake(at);
        }
        let busy = self.busy.contains(&(service.key.clone(), Lane::Probe));
        if service.spec.healthcheck.is_none() || track.run.is_none() || busy {
            return;
        }
        if track.health.next() > self.now {
            self.plan.wake(track.health.next());
        } else {
            self.plan.steps.push(Step::Probe { service, id });
        }
    }

    /// Whether nothing failed lately; if it did, asks to be woken for the retry.
    fn may_try(&mut self, track: Option<&Track>) -> bool {
        match track.and_then(|t| t.trouble.as_ref()).map(|t| t.retry_at) {
            Some(at) if at > self.now => {
                self.plan.wake(at);
                false
            }
            _ => true,
        }
    }

    fn dependencies_work(
        &self,
        service: &DesiredService,
        deployment: &DesiredDeployment,
        sorted: &Sorted,
    ) -> bool {
        service.spec.depends_on.iter().all(|name| {
            let found = deployment
                .services
                .iter()
                .zip(&sorted.current)
                .find(|(s, _)| s.key.service == *name);
            found.is_some_and(|(dependency, current)| {
                current
                    .as_ref()
                    .is_some_and(|(_, state)| works(dependency, *state, self.memory))
            })
        })
    }
}

/// Whether a container that ended is to be started again.
pub(crate) fn restarts(policy: RestartPolicy, code: i32) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => code != 0,
        RestartPolicy::Never => false,
    }
}

/// Whether a service runs (and is healthy if it says how to tell), or has done its work.
fn works(service: &DesiredService, state: RunState, memory: &Memory) -> bool {
    match state {
        RunState::Running { .. } => {
            service.spec.healthcheck.is_none() || memory.verdict(&service.key) == Verdict::Healthy
        }
        RunState::Exited { code } => code == 0 && !restarts(service.spec.restart_policy, code),
        _ => false,
    }
}
