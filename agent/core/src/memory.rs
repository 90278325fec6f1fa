//! What happened: attempts, exits, health. Lost at a restart of the agent, rebuilt from what runs.

use std::collections::BTreeMap;

use fleet_contracts::{DeviceReason, Revision};

use crate::backoff::{Backoff, Dice, Tick};
use crate::desired::{Desired, ServiceKey};
use crate::health::{Health, Verdict};
use crate::observed::{Container, ContainerId, Observed, RunState};

/// A run longer than this, in milliseconds, is no crash when it ends.
pub const STABLE: u64 = 30_000;
/// From this many crashes in a row on it is called a crash loop.
pub const CRASH_LOOP: u32 = 3;

/// A container that could not be started so often in a row is replaced by a new one: its own layer may be torn, as
/// by a power cut just after it was created (podman does not have it on disk before it says that it is there).
pub const REPLACED_AFTER: u32 = 3;

/// The first restart waits so long, in milliseconds: until podman has cleaned up after the run. A
/// `podman stop` typed by hand would otherwise find the container running again and complain.
const SETTLE: u64 = 300;
/// Further restarts after crashes.
const RESTARTS: Backoff = Backoff {
    base: 1_000,
    cap: 300_000,
};
/// Pulls that failed.
const PULLS: Backoff = Backoff {
    base: 4_000,
    cap: 300_000,
};
/// Creating, starting and removing: often transient (a port still being freed).
const CHANGES: Backoff = Backoff {
    base: 300,
    cap: 60_000,
};

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The service.
    pub key: ServiceKey,
    /// The hash the step was for; none for a container nobody wants any more.
    pub hash: Option<Revision>,
    /// What came of it.
    pub done: Done,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The image is there.
    ImageReady,
    /// The container was created and started.
    Created {
        /// Its id.
        id: ContainerId,
        /// What it is.
        container: Container,
    },
    /// An existing container was started.
    Started {
        /// Its id.
        id: ContainerId,
    },
    /// A frozen container was thawed.
    Unpaused {
        /// Its id.
        id: ContainerId,
    },
    /// The container is gone.
    Removed {
        /// Its id.
        id: ContainerId,
    },
    /// A health check ran.
    Probed {
        /// The container it ran against.
        id: ContainerId,
        /// Why it failed.
        result: Result<(), String>,
    },
    /// It failed.
    Failed(Failure),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub reason: DeviceReason,
    /// For people.
    pub message: String,
}

/// A failure that has not been overcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    attempts: u32,
    pub(crate) retry_at: Tick,
}

/// One run of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    id: ContainerId,
    started: i64,
    pub(crate) since: Tick,
}

/// What happened to one service since it got its present hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    hash: Option<Revision>,
    pub(crate) image_ready: bool,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) crashes: u32,
    pub(crate) restarts: u32,
    pub(crate) exit_code: Option<i32>,
    pub(crate) not_before: Tick,
    pub(crate) run: Option<Run>,
    pub(crate) health: Health,
}

impl Track {
    /// When the present run will count as stable, if it came after crashes.
    pub(crate) fn stable_at(&self) -> Option<Tick> {
        (self.crashes > 0)
            .then(|| self.run.as_ref().map(|r| r.since + STABLE))
            .flatten()
    }

    /// Whether it is of no use to start the container that is there once more.
    pub(crate) fn is_past_starting(&self) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|t| {
            t.failure.reason == DeviceReason::StartFailed && t.attempts >= REPLACED_AFTER
        })
    }

    fn ended(&mut self, code: i32, now: Tick, dice: Dice<'_>) {
        if let Some(run) = self.run.take() {
            if now.since(run.since) >= STABLE {
                self.crashes = 0;
            }
            self.crashes = self.crashes.saturating_add(1);
            let wait = if self.crashes == 1 {
                SETTLE
            } else {
                RESTARTS.delay(self.crashes - 1, dice)
            };
            self.not_before = now + wait;
        }
        self.exit_code = Some(code);
    }

    fn runs(&mut self, id: &ContainerId, started: i64, now: Tick) {
        // Whatever went wrong, it runs: a start that seemed to time out may have worked.
        self.trouble = None;
        let known = self.run.as_mut().filter(|r| r.id == *id);
        match known {
            // The listing after our own start tells podman's time of it.
            Some(run) if run.started == 0 || started == 0 => run.started = run.started.max(started),
            Some(run) if run.started == started => {}
            _ => {
                self.run = Some(Run {
                    id: id.clone(),
                    started,
                    since: now,
                });
                self.health = Health::begin(now);
            }
        }
    }

    fn settle(&mut self, now: Tick) {
        if self.stable_at().is_some_and(|at| at <= now) {
            self.crashes = 0;
        }
    }
}

/// What happened to each service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    tracks: BTreeMap<ServiceKey, Track>,
}

impl Memory {
    pub(crate) fn track(&self, key: &ServiceKey) -> Option<&Track> {
        self.tracks.get(key)
    }

    /// Compares with what runs now: notes runs that began and ended, forgets what is gone.
    pub fn observe(&mut self, desired: &Desired, observed: &Observed, now: Tick, dice: Dice<'_>) {
        let wanted: BTreeMap<_, _> = desired.services().map(|s| (&s.key, s)).collect();
        self.tracks.retain(|key, _| {
            wanted.contains_key(key) || observed.containers.values().any(|c| c.key == *key)
        });
        for (key, service) in wanted {
            let track = self.tracks.entry(key.clone()).or_default();
            if track.hash != Some(service.hash) {
                *track = Track {
                    hash: Some(service.hash),
                    ..Track::default()
                };
            }
            let current = observed.of(key).find(|(_, c)| c.hash == Some(service.hash));
            match current.map(|(id, c)| (id, c.state)) {
                Some((id, RunState::Running { started })) => track.runs(id, started, now),
                Some((_, RunState::Exited { code })) => track.ended(code, now, dice),
                // Removed by hand: no crash, so it comes back at once.
                None => track.run = None,
                Some(_) => {}
            }
            track.settle(now);
        }
    }

    /// Takes what a step led to. Outcomes for a hash that is no longer wanted change nothing.
    pub fn record(&mut self, desired: &Desired, outcome: &Outcome, now: Tick, dice: Dice<'_>) {
        let track = self.tracks.entry(outcome.key.clone()).or_default();
        let orphan = outcome.hash.is_none();
        if !orphan && track.hash != outcome.hash {
            return;
        }
        match &outcome.done {
            Done::ImageReady => {
                track.image_ready = true;
                track.trouble = None;
            }
            Done::Created { id, .. } => {
                track.trouble = None;
                track.runs(id, 0, now);
            }
            Done::Started { id } => {
                track.trouble = None;
                track.restarts = track.restarts.saturating_add(1);
                track.run = None;
                track.runs(id, 0, now);
            }
            Done::Removed { .. } if track.is_past_starting() => {
                // The next one is tried at once, and if that cannot be started either, not sooner than this
                // one would have been.
                if let Some(trouble) = &mut track.trouble {
                    trouble.retry_at = now;
                }
            }
            Done::Unpaused { .. } | Done::Removed { .. } => track.trouble = None,
            Done::Probed { id, result } => {
                let service = desired.services().find(|s| s.key == outcome.key);
                let check = service.and_then(|s| s.spec.healthcheck.as_ref());
                let run = track.run.as_ref().filter(|r| r.id == *id);
                if let (Some(check), Some(since)) = (check, run.map(|r| r.since)) {
                    track.health.record(check, since, now, result.clone());
                }
            }
            Done::Failed(failure) => fail(track, failure, now, dice),
        }
    }

    /// What the health checks of a service say.
    pub fn verdict(&self, key: &ServiceKey) -> Verdict {
        self.tracks
            .get(key)
            .map(|t| t.health.verdict)
            .unwrap_or_default()
    }
}

fn fail(track: &mut Track, failure: &Failure, now: Tick, dice: Dice<'_>) {
    use DeviceReason::{
        ImageNotFound, NoSpace, PullFailed, RegistryUnauthorized, RegistryUnreachable,
    };
    let again = track
        .trouble
        .as_ref()
        .filter(|t| t.failure.reason == failure.reason);
    let attempts = again.map_or(0, |t| t.attempts).saturating_add(1);
    let image = matches!(
        failure.reason,
        ImageNotFound | RegistryUnauthorized | RegistryUnreachable | PullFailed | NoSpace
    );
    if image {
        track.image_ready = false;
    }
    let backoff = if image { PULLS } else { CHANGES };
    let retry_at = now + backoff.delay(attempts, dice);
    track.trouble = Some(Trouble {
        failure: failure.clone(),
        attempts,
        retry_at,
    });
}
