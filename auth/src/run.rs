//! Puts the callout's tasks together, and takes them apart again.
//!
//! | task | in | out |
//! |---|---|---|
//! | desk | requests on the bus | answers |
//! | keys | time | the identity provider's keys |
//! | policies | the policy file, or OpenBao's list of denied devices | policies, who is shut out |
//! | enforcer | who is shut out | closed connections |
//! | presence | whom all replicas let in | closed connections, findings about clones |
//! | pages | HTTP | metrics, health, readiness |

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fleet_auth_core::callout::{Account, KeyFault, ServiceKeys};
use fleet_bus::connect::reconnect_delay;
use fleet_bus::{Bus, ConnectSettings};
use fleet_service::limit::{Limiter, Rate};
use fleet_service::{chain, pages};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::{BusArgs, CalloutArgs, GrantArgs, KeyArgs};
use crate::bao::OpenBaoPolicies;
use crate::callout::{Desk, Enforcer, Judge, Presence, System, Verified};
use crate::http::{self, Pages};
use crate::jwks::{Fetcher, Jwks, KeptKeys, Pace, Source, SourceError};
use crate::metrics::Metrics;
use crate::policy::{ChosenPolicies, FilePolicies, PolicyError, PolicySource as _};
use crate::rules;

/// Why the callout could not start. Servers that do not answer are no reason: it waits for them.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A seed file cannot be read.
    #[error("failed to read the seed from {path}")]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A seed is none, or of another kind.
    #[error("the seeds are not usable")]
    Seed(#[from] KeyFault),
    /// The identity provider cannot be asked.
    #[error("failed to find out how to reach the identity provider")]
    Source(#[from] SourceError),
    /// The policies cannot be read.
    #[error("failed to begin without policies")]
    Policy(#[from] PolicyError),
    /// The address of the pages is taken.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A duration that is negative or not a number.
    #[error("{0} must be a positive number of seconds")]
    Seconds(&'static str),
}

impl RunError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::SeedFile { .. } => "SeedFile",
            Self::Seed(fault) => fault.reason(),
            Self::Source(_) => "Source",
            Self::Policy(error) => error.reason(),
            Self::Listen { .. } => "Listen",
            Self::Seconds(_) => "Seconds",
        }
    }
}

/// Answers until `stop`, then ends in order.
pub async fn run(args: CalloutArgs, stop: CancellationToken) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::default());
    let policies = policies(&args.grant, &metrics)?;
    let jwks = Arc::new(jwks(&args, &metrics)?);
    let judge = Arc::new(judge(&args, &jwks, &policies, metrics)?);
    let issuers: Vec<_> = judge.keys.issuers().collect();
    tracing::info!(?issuers, "users are signed with these keys");
    let desk = Arc::new(Desk::new(args.bus.concurrency));
    let pages = Pages {
        judge: Arc::clone(&judge),
        desk: Arc::clone(&desk),
        tasks: Arc::default(),
        bus: Arc::new(OnceLock::new()),
    };
    let tracker = TaskTracker::new();
    listen(args.metrics_addr, &pages, &tracker, &stop).await?;
    let tasks = &pages.tasks;
    tasks.add("keys", tracker.spawn(until(stop.clone(), jwks.follow())));
    let following = until(stop.clone(), policies.clone().follow());
    tasks.add("policies", tracker.spawn(following));
    let settings = connection(&args.bus);
    let system = System::default();
    if let Some(seed_file) = args.bus.nats_system_seed_file.clone() {
        let enforcer = Enforcer {
            system: Arc::clone(&system),
            metrics: Arc::clone(&judge.metrics),
        };
        let settings = as_system(&settings, seed_file);
        let enforcing = until(stop.clone(), enforcer.follow(settings, policies.shut_out()));
        tasks.add("enforcer", tracker.spawn(enforcing));
    } else {
        tracing::warn!("without a seed for the system account no connection can be closed");
    }
    let Some(bus) = connect(&settings, &stop).await else {
        return Ok(());
    };
    let bus = pages.bus.get_or_init(|| bus).clone();
    let closes = args.bus.nats_system_seed_file.is_some();
    let presence = Presence {
        system: closes.then(|| Arc::clone(&system)),
        policies,
        on_clone: args.grant.on_clone.into(),
        metrics: Arc::clone(&judge.metrics),
        replica: desk.replica(),
    };
    let following = presence.follow(bus.clone(), stop.clone());
    tasks.add("presence", tracker.spawn(following));
    let asked = stop.clone();
    let serving = async move { desk.serve(bus, settings, system, judge, asked).await };
    tasks.add("desk", tracker.spawn(serving));
    stop.cancelled().await;
    tracing::info!("stopping");
    tracker.close();
    tracker.wait().await;
    tracing::info!("stopped");
    Ok(())
}

fn judge(
    args: &CalloutArgs,
    jwks: &Arc<Jwks>,
    policies: &ChosenPolicies,
    metrics: Arc<Metrics>,
) -> Result<Judge<ChosenPolicies>, RunError> {
    let grant = &args.grant;
    Ok(Judge {
        keys: service_keys(&args.bus)?,
        account: Account(args.bus.account.clone()),
        rules: rules::token_rules(&args.token),
        caps: rules::caps(grant),
        jwks: Arc::clone(jwks),
        policies: policies.clone(),
        limiter: Limiter::new(Rate {
            burst: grant.login_burst,
            per_minute: grant.logins_per_minute,
        }),
        failures: Limiter::new(Rate {
            burst: grant.failure_burst,
            per_minute: grant.failures_per_minute,
        }),
        verified: Verified::default(),
        metrics,
    })
}

/// From OpenBao if there is an address of it, else from the file.
fn policies(args: &GrantArgs, metrics: &Arc<Metrics>) -> Result<ChosenPolicies, RunError> {
    if let Some(settings) = args.bao.settings() {
        let metrics = Arc::clone(metrics);
        let policies = OpenBaoPolicies::new(settings, args.freshness.into(), metrics);
        return Ok(ChosenPolicies::Bao(Arc::new(policies)));
    }
    let path = args.policy_file.as_deref().unwrap_or(Path::new(""));
    Ok(ChosenPolicies::File(Arc::new(FilePolicies::open(path)?)))
}

/// The work, unless and until `stop`.
async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    stop.run_until_cancelled_owned(work).await;
}

fn jwks(args: &CalloutArgs, metrics: &Arc<Metrics>) -> Result<Jwks, RunError> {
    let KeyArgs {
        idp_url,
        idp_host,
        jwks_url,
        jwks_host,
        oidc_ca_file,
        jwks_ttl,
        jwks_min_interval,
        jwks_max_age,
        keys_cache_file,
    } = args.keys.clone();
    let source = Source {
        issuer: args.token.oidc_issuer.clone(),
        url: idp_url,
        jwks_url,
        host: idp_host.or(jwks_host),
        ca_file: oidc_ca_file,
    };
    let pace = Pace {
        ttl: seconds("--jwks-ttl", jwks_ttl)?,
        min_interval: seconds("--jwks-min-interval", jwks_min_interval)?,
        max_age: seconds("--jwks-max-age", jwks_max_age)?,
    };
    let kept = keys_cache_file.map(|path| KeptKeys::new(path, source.issuer.clone()));
    let fetcher = Fetcher::new(&source)?;
    Ok(Jwks::new(fetcher, pace, kept, Arc::clone(metrics)))
}

fn seconds(option: &'static str, given: f64) -> Result<Duration, RunError> {
    Duration::try_from_secs_f64(given)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or(RunError::Seconds(option))
}

fn service_keys(args: &BusArgs) -> Result<ServiceKeys, RunError> {
    let read = |paths: &[PathBuf]| -> Result<Vec<String>, RunError> {
        paths.iter().map(|path| seed(path)).collect()
    };
    let issuers = read(&args.issuer_seed_files)?;
    let xkeys = read(&args.xkey_seed_files)?;
    Ok(ServiceKeys::from_seeds(
        issuers.iter().map(String::as_str),
        xkeys.iter().map(String::as_str),
    )?)
}

fn seed(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|source| RunError::SeedFile {
        path: path.to_owned(),
        source,
    })
}

async fn listen(
    address: SocketAddr,
    pages: &Pages<ChosenPolicies>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), RunError> {
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

fn connection(args: &BusArgs) -> ConnectSettings {
    ConnectSettings {
        url: args.nats_url.clone(),
        seed_file: args.nats_seed_file.clone(),
        name: "fleet-auth".to_owned(),
        ca_file: args.nats_ca_file.clone(),
    }
}

/// The same servers, as the user in the system account.
fn as_system(settings: &ConnectSettings, seed_file: PathBuf) -> ConnectSettings {
    ConnectSettings {
        seed_file,
        ..settings.clone()
    }
}

/// Tries until it works or the process is told to stop.
async fn connect(settings: &ConnectSettings, stop: &CancellationToken) -> Option<Bus> {
    let mut attempt = 0;
    loop {
        match Bus::connect(settings).await {
            Ok(bus) => return Some(bus),
            Err(error) => {
                tracing::warn!(error = chain(&error), "no connection to NATS; trying again");
            }
        }
        attempt += 1;
        tokio::select! {
            () = tokio::time::sleep(reconnect_delay(attempt)) => {}
            () = stop.cancelled() => return None,
        }
    }
}
