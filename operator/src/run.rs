//! Puts the tasks together, and takes them apart again.
//!
//! | task | in | out |
//! |---|---|---|
//! | seven watches | Kubernetes, NATS | inputs of the index |
//! | ticker | time | `Input::Tick` when something is due |
//! | seven writers | queues | KV entries, objects, statuses, Events |
//! | lead | the Lease | whether the writers may write |
//! | pages | HTTP | metrics, health, readiness |
//! | announcer, in a pod | what is in the way of readiness | an Event on the pod |
//! | permissions, until none is missing | access reviews | whether this replica can be ready |

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fleet_bus::{Bus, ConnectSettings, StreamSettings};
use fleet_contracts::signing::{ManifestSigner, SigningError, TrustedKey};
use fleet_operator_core::Input;
use fleet_operator_core::claims::Enrolments;
use fleet_operator_core::follow::{
    DesiredFollower, HeartbeatFollower, InfoFollower, ReportFollower,
};
use fleet_operator_core::index::LivenessConfig;
use fleet_operator_core::mirror::Mirror;
use fleet_operator_core::rbac::LeasePlace;
use fleet_service::cluster::{self, ConfigError};
use fleet_service::lead::{LeadSettings, identity, lead};
use fleet_service::lease::LeaseTerms;
use fleet_service::{Tasks, chain, pages};
use kube::Client;
use tokio::net::TcpListener;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announce::announce;
use crate::args::RunArgs;
use crate::clock;
use crate::http::{self, Pages};
use crate::metrics::Metrics;
use crate::permissions;
use crate::place;
use crate::rejected::Rejected;
use crate::state::Shared;
use crate::watch::{Backoff, deployments, devices, enrolments, follow};
use crate::write::Writers;

/// Why the operator could not start. Servers that do not answer are no reason: it waits for them.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key file cannot be read.
    #[error("failed to read the signing key from {path}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The key file holds no key.
    #[error("{path} holds no signing key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: SigningError,
    },
    /// No device would follow what it signs.
    #[error("the signing key is among --retired-keys")]
    RetiredSigner,
    /// The address of the pages is taken.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no way to an API server.
    #[error("failed to find out how to reach the API server")]
    Config(#[from] ConfigError),
    /// The client could not be made of it.
    #[error("failed to make a client for the API server")]
    Client(#[from] kube::Error),
    /// A duration that is negative or not a number.
    #[error("{0} must be a positive number of seconds")]
    Seconds(&'static str),
}

impl RunError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::KeyFile { .. } => "KeyFile",
            Self::Key { .. } => "Key",
            Self::RetiredSigner => "RetiredSigner",
            Self::Listen { .. } => "Listen",
            Self::Config(_) => "Config",
            Self::Client(_) => "Client",
            Self::Seconds(_) => "Seconds",
        }
    }
}

/// Runs until `stop`, then ends in order.
pub async fn run(args: RunArgs, stop: CancellationToken) -> Result<(), RunError> {
    let period = seconds("--heartbeat-period", args.heartbeat_period)?;
    let shared = Arc::new(Shared::new(
        liveness(&args, period)?,
        mirror(&args)?,
        Enrolments::new(args.unenrolled_labels.into()),
        Metrics::default(),
    ));
    let pages = Pages {
        shared: Arc::clone(&shared),
        tasks: Arc::default(),
        permissions: Arc::default(),
        bus: Arc::new(OnceLock::new()),
    };
    let tracker = TaskTracker::new();
    listen(&args, &pages, &tracker, &stop).await?;
    let config = cluster::config().await?;
    let (given, name) = (args.lease_namespace.clone(), args.lease_name.clone());
    let place = place::lease_place(given, name, &config);
    let settings = lead_settings(&args, place.clone())?;
    let namespace = place::own_namespace(&config);
    let client = Client::try_from(config)?;
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        let pod = settings.identity.clone();
        let telling = announce(pages.clone(), client.clone(), namespace, pod);
        tracker.spawn(stop.clone().run_until_cancelled_owned(telling));
    }
    let asked = Arc::clone(&pages.permissions);
    let asking = permissions::check(asked, client.clone(), place);
    tracker.spawn(stop.clone().run_until_cancelled_owned(asking));
    let Some(bus) = connect(&args, &stop).await else {
        return Ok(());
    };
    let bus = pages.bus.get_or_init(|| bus).clone();
    let streams = streams(&args, period);
    let tasks = &pages.tasks;
    start_watches(&shared, tasks, &tracker, &bus, &client, &streams);
    tasks.add("ticker", tracker.spawn(tick(Arc::clone(&shared))));
    let writers = Writers::new(Arc::clone(&shared), bus, client.clone(), &settings.identity);
    writers.spawn(&tracker, |name, task| tasks.add(name, task));
    let able = {
        let pages = pages.clone();
        move || pages.is_able()
    };
    let leads = move |until| shared.leading(until);
    let leading = tracker.spawn(lead(client, settings, able, leads, stop.clone()));
    stop.cancelled().await;
    tracing::info!("stopping");
    // The lease is released before the rest ends, so that a standby takes over without waiting.
    let _ = leading.await;
    tasks.abort();
    tracker.close();
    tracker.wait().await;
    tracing::info!("stopped");
    Ok(())
}

fn liveness(args: &RunArgs, heartbeat_period: Duration) -> Result<LivenessConfig, RunError> {
    let stale = args.stale_after.map(|s| seconds("--stale-after", s));
    let stale = stale.transpose()?.unwrap_or(heartbeat_period * 2);
    Ok(LivenessConfig {
        stale_after: millis(stale),
    })
}

fn streams(args: &RunArgs, heartbeat_period: Duration) -> StreamSettings {
    StreamSettings {
        replicas: args.stream_replicas,
        heartbeat_period,
        ..StreamSettings::default()
    }
}

fn seconds(option: &'static str, given: f64) -> Result<Duration, RunError> {
    Duration::try_from_secs_f64(given)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or(RunError::Seconds(option))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

fn mirror(args: &RunArgs) -> Result<Mirror, RunError> {
    let signer = signer(args)?;
    if args.retired_keys.contains(&signer.trusted()) {
        return Err(RunError::RetiredSigner);
    }
    let texts = |keys: &[TrustedKey]| keys.iter().map(TrustedKey::to_string).collect();
    let announced = texts(&args.announced_keys);
    Ok(Mirror::new(Arc::new(signer), announced).retiring(texts(&args.retired_keys)))
}

fn signer(args: &RunArgs) -> Result<ManifestSigner, RunError> {
    let path = args.signing_key_file.clone();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(RunError::KeyFile { path, source }),
    };
    let signer = ManifestSigner::from_base64(&text);
    let signer = signer.map_err(|source| RunError::Key { path, source })?;
    tracing::info!(key = %signer.key_id(), public = %signer.trusted(), "manifests are signed with this key");
    Ok(signer)
}

async fn listen(
    args: &RunArgs,
    pages: &Pages,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let address = args.metrics_addr;
    let failed = |source| RunError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, "serving /metrics, /healthz and /readyz");
    tracker.spawn(pages::serve(
        listener,
        http::pages(pages.clone()),
        stop.clone(),
    ));
    Ok(())
}

/// Tries until it works or the process is told to stop.
async fn connect(args: &RunArgs, stop: &CancellationToken) -> Option<Bus> {
    let settings = ConnectSettings {
        url: args.nats_url.clone(),
        seed_file: args.nats_seed_file.clone(),
        name: "fleet-operator".to_owned(),
        ca_file: args.nats_ca_file.clone(),
    };
    let mut backoff = Backoff::default();
    loop {
        match Bus::connect(&settings).await {
            Ok(bus) => return Some(bus),
            Err(error) => {
                tracing::warn!(error = chain(&error), "no connection to NATS; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.failed()) => {}
            () = stop.cancelled() => return None,
        }
    }
}

fn start_watches(
    shared: &Arc<Shared>,
    tasks: &Tasks,
    tracker: &TaskTracker,
    bus: &Bus,
    client: &Client,
    streams: &StreamSettings,
) {
    let rejected = Arc::new(Rejected::default());
    let (s, r) = (|| Arc::clone(shared), || Arc::clone(&rejected));
    tasks.add(
        "watch deployments",
        tracker.spawn(deployments(s(), r(), client.clone())),
    );
    tasks.add(
        "watch devices",
        tracker.spawn(devices(s(), r(), client.clone())),
    );
    tasks.add(
        "watch enrolments",
        tracker.spawn(enrolments(s(), r(), client.clone())),
    );
    macro_rules! bucket {
        ($name:literal, $follower:ty) => {
            let watch = follow::<$follower>(s(), r(), bus.clone(), streams.clone());
            tasks.add($name, tracker.spawn(watch));
        };
    }
    bucket!("watch device-info", InfoFollower);
    bucket!("watch device-state", ReportFollower);
    bucket!("watch device-heartbeat", HeartbeatFollower);
    bucket!("watch desired-state", DesiredFollower);
}

/// Tells the index when something is due, and the queues to forget keys that rest.
async fn tick(shared: Arc<Shared>) {
    let mut sweep = tokio::time::interval(Duration::from_secs(60));
    loop {
        let next = shared.lock().index.next_tick();
        tokio::select! {
            () = sleep_until(clock::instant(next.unwrap_or_default())), if next.is_some() => {
                shared.apply(Input::Tick);
            }
            () = shared.tick.notified() => {}
            _ = sweep.tick() => shared.lock().queues.sweep(clock::now()),
        }
    }
}

fn lead_settings(args: &RunArgs, place: LeasePlace) -> Result<LeadSettings, RunError> {
    let duration = millis(seconds("--lease-duration", args.lease_duration)?);
    let variable = |name: &str| std::env::var(name).ok();
    Ok(LeadSettings {
        namespace: place.namespace,
        name: place.name,
        identity: identity(args.identity.clone(), "fleet-operator", variable),
        terms: LeaseTerms::lasting(duration),
    })
}
