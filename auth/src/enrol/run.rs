//! Puts the enrolment service's tasks together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fleet_service::Tasks;
use fleet_service::cluster::{self, ConfigError};
use fleet_service::lead::{LeadSettings, identity, lead};
use fleet_service::lease::LeaseTerms;
use fleet_service::limit::{Limiter, Rate};
use fleet_service::pages::serve;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::args::{EnrolArgs, FleetArgs, TokenCreateArgs};
use super::desk::{Desk, Fleet};
use super::http::{Calls, Pages, calls, pages};
use super::idp::Idp;
use super::metrics::Metrics;
use super::policy::{PolicyFile, PolicyFileError};
use super::provision::Provisioner;
use super::registry::Registry;
use super::tls::{self, TlsError};
use super::tokens::{TokenBounds, TokenError, TokenStore};
use crate::bao::ENROL_POLICY;
use crate::clock;
use crate::jwks::SourceError;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is no way to the API server.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The identity provider cannot be asked.
    #[error("failed to find out how to reach the identity provider")]
    Idp(#[from] SourceError),
    /// A file that devices are to be told.
    #[error("failed to read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An address is taken.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The approval policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// A token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Answers devices and provisions them, until `stop`.
pub async fn run(args: EnrolArgs, stop: CancellationToken) -> Result<(), EnrolError> {
    let client = cluster::client().await?;
    let metrics = Arc::new(Metrics::default());
    let registry = Registry::new(client.clone(), args.approval_timeout);
    let provisioner = Provisioner {
        registry: registry.clone(),
        idp: Arc::new(Idp::new(&args.idp)?),
        access: Arc::new(Access::new(args.bao.settings_as(ENROL_POLICY))),
        key_lifetime: args.idp.key_lifetime,
        policy_refresh: Duration::from_secs(args.policy_refresh.max(1)),
        unread: Arc::new(AtomicBool::default()),
        metrics: Arc::clone(&metrics),
    };
    let policy = PolicyFile(args.decide.approval_policy_file.clone());
    // One that cannot be used is a slip of whoever starts this; later, devices wait for a person.
    let rules = policy.read()?.len();
    tracing::info!(rules, "approving by policy");
    let desk = Desk {
        registry,
        tokens: TokenStore::new(client.clone(), &args.token_namespace),
        policy,
        services: args.serve.public_urls.clone(),
        fleet: fleet(&args)?,
        poll_after: args.poll_after,
    };
    let limiter = Limiter::new(Rate {
        burst: args.serve.call_burst,
        per_minute: args.serve.calls_per_minute,
    });
    let router = calls(Arc::new(Calls {
        desk,
        limiter,
        metrics: Arc::clone(&metrics),
    }));
    let config = tls::server_config(&args.serve)?;
    let listener = listen(args.serve.listen, "answering devices").await?;
    let looked_at = listen(args.metrics_addr, "serving /metrics, /healthz and /readyz").await?;
    let (tracker, tasks) = (TaskTracker::new(), Arc::new(Tasks::default()));
    let serving = tls::accept(listener, config, router, stop.clone());
    tasks.add("calls", tracker.spawn(serving));
    let (led, leading) = watch::channel(false);
    let provisioning = provisioner.run(leading, stop.clone());
    tasks.add("provision", tracker.spawn(provisioning));
    let electing = lead(
        client,
        lead_settings(&args),
        // What it provisions is read when it leads.
        || true,
        move |until| {
            let leads = until.is_some();
            led.send_if_modified(|led| std::mem::replace(led, leads) != leads);
        },
        stop.clone(),
    );
    tasks.add("lead", tracker.spawn(electing));
    let pages = pages(Pages { metrics, tasks });
    tracker.spawn(serve(looked_at, pages, stop.clone()));
    stop.cancelled().await;
    tracker.close();
    tracker.wait().await;
    Ok(())
}

fn lead_settings(args: &EnrolArgs) -> LeadSettings {
    let decide = &args.decide;
    let variable = |name: &str| std::env::var(name).ok();
    LeadSettings {
        namespace: args.token_namespace.clone(),
        name: decide.lease_name.clone(),
        identity: identity(decide.identity.clone(), "fleet-enrol", variable),
        terms: LeaseTerms::lasting(u64::from(decide.lease_duration) * 1000),
    }
}

/// Makes a token; what to give to the device.
pub async fn create_token(args: &TokenCreateArgs) -> Result<String, EnrolError> {
    let store = TokenStore::new(cluster::client().await?, &args.token_namespace);
    let bound = TokenBounds {
        expires_at: clock::now().saturating_add(args.ttl),
        device_id: args.device_id.clone(),
        labels: args.bound_labels(),
        fleet: args.fleet.clone(),
    };
    let token = store.create(bound).await?;
    Ok(token.expose().to_owned())
}

fn fleet(args: &EnrolArgs) -> Result<Fleet, EnrolError> {
    let FleetArgs {
        device_nats_url,
        device_nats_ca_file,
        device_issuer_ca_file,
        manifest_keys,
    } = args.fleet.clone();
    let read = |path: Option<&Path>| {
        let file = |path: &Path| {
            let text = std::fs::read_to_string(path);
            text.map_err(|source| EnrolError::File {
                path: path.to_owned(),
                source,
            })
        };
        path.map(file).transpose()
    };
    Ok(Fleet {
        issuer: args.idp.connection.oidc_issuer.clone(),
        project_id: args.idp.oidc_project.clone(),
        issuer_ca: read(device_issuer_ca_file.as_deref())?,
        nats_url: device_nats_url,
        nats_ca: read(device_nats_ca_file.as_deref())?,
        manifest_keys,
    })
}

async fn listen(address: SocketAddr, what: &str) -> Result<TcpListener, EnrolError> {
    let failed = |source| EnrolError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, "{what}");
    Ok(listener)
}
