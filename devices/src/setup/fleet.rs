use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_cluster::Cluster;
use fleet_contracts::DeviceId;
use futures::StreamExt as _;
use serde::Serialize;

use super::reachable::{Reachability, ReachableError, until_reachable};
use super::run::{Done, Progress, Setup, SetupError, Wait};
use crate::host::{HostError, Linux, Outcome, SshSettings, Target};

/// One host, and what it is to have.
#[derive(Debug, Clone)]
pub struct Job {
    /// The host.
    pub target: Target,
    /// What it is to have.
    pub setup: Setup,
}

/// What goes for all of them.
pub struct Limits {
    /// How many at once.
    pub parallel: usize,
    /// Whether they are only looked at.
    pub plan: bool,
    /// How to log in.
    pub login: SshSettings,
    /// Where to ask whether a device is there.
    pub check: Check,
}

/// Where to ask whether a device is there.
pub enum Check {
    /// Nowhere: nobody wants to know.
    No,
    /// There; somebody said so.
    Named(Box<Cluster>),
    /// There, for it is what kubectl would ask. It may be another fleet's, and then nothing follows from its answer.
    Found(Box<Cluster>),
    /// Nowhere, for this reason.
    Cannot(String),
}

/// What happens to a host, in the order it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was met.
    Met(String),
    /// This is being looked at.
    Begins(&'a str),
    /// This was said meanwhile.
    Says(&'a str),
    /// This came of it.
    Ended(&'a str, &'a Outcome, Duration),
    /// All is done, or failed.
    Done(&'a HostReport),
}

/// What came of a host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    /// The host.
    pub host: String,
    /// Who it is in its fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// How many things were or would be changed.
    pub changes: usize,
    /// Whether the fleet says that it is there; absent where that was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// Why that was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_checked: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// What it took.
    pub steps: Vec<StepReport>,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// What one thing took.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// What.
    pub what: String,
    /// How long.
    pub seconds: f64,
}

/// What failed.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorReport {
    /// The stable reason.
    pub reason: String,
    /// The same for people.
    pub message: String,
}

/// What came of all of them, in their order.
#[derive(Debug, Serialize)]
pub struct Outcomes {
    /// One for each host.
    pub hosts: Vec<HostReport>,
}

impl Outcomes {
    /// How many failed.
    pub fn failed(&self) -> usize {
        let failed = self.hosts.iter().filter(|host| host.error.is_some());
        failed.count()
    }
}

/// Sets up all of them, some at once. What happens to one is no other's business.
pub async fn run_all(
    jobs: &[Job],
    limits: &Limits,
    view: &(dyn Fn(usize, Event<'_>) + Sync),
) -> Outcomes {
    let running = jobs.iter().enumerate().map(|(number, job)| async move {
        let watch = Watch::new(number, view);
        let begun = Instant::now();
        let ended = one(job, limits, &watch).await;
        let report = watch.report(job.target.to_string(), ended, begun.elapsed());
        view(number, Event::Done(&report));
        (number, report)
    });
    let running = futures::stream::iter(running).buffer_unordered(limits.parallel.max(1));
    let mut hosts: Vec<_> = running.collect().await;
    hosts.sort_by_key(|(number, _)| *number);
    Outcomes {
        hosts: hosts.into_iter().map(|(_, report)| report).collect(),
    }
}

/// Why a host failed.
enum Failed {
    Setup(SetupError),
    Reachable(ReachableError),
}

impl Failed {
    fn report(&self) -> ErrorReport {
        let (reason, message) = match self {
            Self::Setup(error) => (error.reason(), fleet_service::chain(error)),
            Self::Reachable(error) => (error.reason(), fleet_service::chain(error)),
        };
        ErrorReport {
            reason: reason.to_owned(),
            message,
        }
    }
}

impl From<HostError> for Failed {
    fn from(error: HostError) -> Self {
        Self::Setup(error.into())
    }
}

async fn one(
    job: &Job,
    limits: &Limits,
    watch: &Watch<'_>,
) -> Result<(Done, Reachability), Failed> {
    let way = job.target.reach(&limits.login, limits.plan).await?;
    let host = Linux::meet(way).await?;
    let (distribution, architecture) = (&host.distribution, host.architecture);
    watch.tell(Event::Met(format!("{distribution}, {architecture}")));
    let done = job.setup.run(&host, watch).await.map_err(Failed::Setup)?;
    let reachability = check(&done, job, limits, watch).await?;
    Ok((done, reachability))
}

async fn check(
    done: &Done,
    job: &Job,
    limits: &Limits,
    watch: &Watch<'_>,
) -> Result<Reachability, Failed> {
    let (Some(device), Wait::Within(within)) = (&done.device, job.setup.wait) else {
        return Ok(Reachability::NotAsked);
    };
    let (cluster, named) = match &limits.check {
        Check::Named(cluster) => (cluster, true),
        Check::Found(cluster) => (cluster, false),
        Check::Cannot(why) => return Ok(Reachability::NotChecked(why.clone())),
        Check::No => return Ok(Reachability::NotAsked),
    };
    watch.begins("the fleet's word that the device is Reachable");
    let says = |line: &str| watch.says(line);
    match until_reachable(cluster, device, within, says).await {
        Ok(()) => Ok(Reachability::Reachable),
        Err(ReachableError::Cluster { source, .. }) if !named => {
            let why = fleet_service::chain(&*source);
            Ok(Reachability::NotChecked(why))
        }
        Err(error) => Err(Failed::Reachable(error)),
    }
}

/// Tells the view of one host, and takes the time.
struct Watch<'a> {
    number: usize,
    view: &'a (dyn Fn(usize, Event<'_>) + Sync),
    taken: Mutex<(Instant, Option<String>, Vec<StepReport>)>,
}

impl<'a> Watch<'a> {
    fn new(number: usize, view: &'a (dyn Fn(usize, Event<'_>) + Sync)) -> Self {
        let connecting = Some("connection".to_owned());
        Self {
            number,
            view,
            taken: Mutex::new((Instant::now(), connecting, Vec::new())),
        }
    }

    fn tell(&self, event: Event<'_>) {
        (self.view)(self.number, event);
    }

    /// The end of what was last begun.
    fn note(&self, next: Option<&str>) -> Duration {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let took = taken.0.elapsed();
        if let Some(what) = taken.1.take() {
            let seconds = took.as_secs_f64();
            taken.2.push(StepReport { what, seconds });
        }
        (taken.0, taken.1) = (Instant::now(), next.map(str::to_owned));
        took
    }

    fn report(
        &self,
        host: String,
        ended: Result<(Done, Reachability), Failed>,
        took: Duration,
    ) -> HostReport {
        self.note(None);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = HostReport {
            host,
            device: None,
            changes: 0,
            reachable: None,
            not_checked: None,
            seconds: took.as_secs_f64(),
            steps: std::mem::take(&mut taken.2),
            error: None,
        };
        match ended {
            Ok((done, reachability)) => {
                (report.changes, report.device) = (done.changes, done.device);
                match reachability {
                    Reachability::Reachable => report.reachable = Some(true),
                    Reachability::NotChecked(why) => report.not_checked = Some(why),
                    Reachability::NotAsked => {}
                }
            }
            Err(error) => report.error = Some(error.report()),
        }
        report
    }
}

impl Progress for Watch<'_> {
    fn begins(&self, what: &str) {
        self.note(Some(what));
        self.tell(Event::Begins(what));
    }

    fn says(&self, line: &str) {
        self.tell(Event::Says(line));
    }

    fn ended(&self, what: &str, outcome: &Outcome) {
        let took = self.note(None);
        self.tell(Event::Ended(what, outcome, took));
    }
}
