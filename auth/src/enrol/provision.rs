//! Brings identity provider and policy store to what was decided, one enrolment at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fleet_api::DeviceEnrolment;
use fleet_api::condition::ConditionReason as Reason;
use fleet_auth_core::enrol::{Blocked, Standing, holds};
use fleet_contracts::enrolment::DenialReason;
use fleet_service::chain;
use fleet_service::cluster::WATCH_SECONDS;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Told};
use super::audit;
use super::idp::{Idp, IdpError};
use super::metrics::Metrics;
use super::registry::{Registry, RegistryError};
use super::status::{Verdict, with_verdict};
use super::view::View;
use crate::bao::DenialError;
use crate::clock;

/// After trouble; each enrolment by itself.
const AGAIN: Duration = Duration::from_secs(5);
/// An enrolment that waits for something that is not its own event: another's end, its own time.
const LOOK: Duration = Duration::from_secs(30);
/// At the same time.
const CONCURRENCY: u16 = 4;

/// Why an enrolment is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The API server.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The identity provider.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// The policy store.
    #[error(transparent)]
    Access(#[from] DenialError),
    /// A person has to look.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Its lists lag behind, or somebody else undoes what is done.
    #[error("the identity provider does not come to rest; trying again")]
    Restless,
    /// The lifetime of keys leads nowhere.
    #[error("the key's expiry is beyond all calendars")]
    Calendar,
}

impl ProvisionError {
    const fn reason(&self) -> Reason {
        match self {
            Self::Access(_) => Reason::PolicyStoreFailed,
            _ => Reason::IdentityProviderFailed,
        }
    }
}

/// What it needs.
#[derive(Clone)]
pub struct Provisioner {
    /// The enrolments.
    pub registry: Registry,
    /// The identity provider.
    pub idp: Arc<Idp>,
    /// What the callout is told.
    pub access: Arc<Access>,
    /// How long keys are taken, in seconds.
    pub key_lifetime: u32,
    /// How often the policies of devices are read.
    pub policy_refresh: Duration,
    /// Whether the last look at a policy told nothing: the store is away, or not set up yet.
    pub unread: Arc<AtomicBool>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Provisioner {
    /// Works while this replica leads, until `stop`.
    ///
    /// Two that work at once would each take the other's new keys for strays. So whoever does not lead
    /// any more drops what it is doing, as if it were killed.
    pub async fn run(self, mut leading: watch::Receiver<bool>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let leads = *leading.borrow_and_update();
            tokio::select! {
                () = self.clone().work(stop.clone()), if leads => return,
                changed = leading.changed() => if changed.is_err() {
                    return;
                },
                () = stop.cancelled(), if !leads => return,
            }
        }
    }

    async fn work(self, stop: CancellationToken) {
        let api = self.registry.api.clone();
        let watch = watcher::Config::default().timeout(WATCH_SECONDS);
        let controller = Controller::new(api, watch)
            .with_config(Config::default().concurrency(CONCURRENCY))
            .graceful_shutdown_on(stop.cancelled_owned());
        let work = |object: Arc<DeviceEnrolment>, this: Arc<Self>| async move {
            this.reconcile(&object.name_any()).await
        };
        let trouble = |_: Arc<DeviceEnrolment>, _: &ProvisionError, _: Arc<Self>| {
            Action::requeue(AGAIN.mul_f64(0.5 + fastrand::f64()))
        };
        controller
            .run(work, trouble, Arc::new(self))
            .for_each(|outcome| async {
                if let Err(error) = outcome {
                    tracing::warn!(error = chain(&error), "an enrolment has to wait");
                }
            })
            .await;
    }

    /// Looks at one enrolment, does what is to be done, and says so in its status.
    async fn reconcile(&self, name: &str) -> Result<Action, ProvisionError> {
        // Not what the watch knows: that may be older than what this process wrote.
        let Some(view) = self.registry.get(name).await? else {
            return Ok(Action::await_change());
        };
        let outcome = self.act(&view).await;
        let verdict = match &outcome {
            Ok(Some(verdict)) => verdict.clone(),
            // Its status was written along the way, and that is an event of its own.
            Ok(None) => return Ok(self.again(&view)),
            Err(ProvisionError::Registry(error)) if error.is_conflict() => {
                return Ok(Action::requeue(Duration::from_millis(100)));
            }
            // It can log in; what failed is the change of its key, and it hears of that by waiting.
            Err(_) if view.standing == Standing::Ready => Verdict::ready(),
            Err(error) => Verdict::not_yet(error.reason(), chain(error)),
        };
        self.metrics.provisioned(verdict.reason.as_str());
        let status = with_verdict(&view, &verdict, Timestamp::now());
        match self.registry.write_status(&view, status).await {
            Err(error) if error.is_conflict() => {
                return Ok(Action::requeue(Duration::from_millis(100)));
            }
            other => other?,
        }
        outcome?;
        Ok(self.again(&view))
    }

    fn again(&self, view: &View) -> Action {
        let now = clock::now();
        let until = |end: u64| Duration::from_secs(end.saturating_sub(now).max(1)).min(LOOK * 120);
        match view.standing {
            Standing::Pending => Action::requeue(until(view.created() + self.registry.patience)),
            Standing::Approved => Action::requeue(LOOK),
            Standing::Ready => match (view.key_expires().map(until), self.next_look()) {
                (Some(end), Some(look)) => Action::requeue(end.min(look)),
                (Some(at), None) | (None, Some(at)) => Action::requeue(at),
                (None, None) => Action::await_change(),
            },
            Standing::Closed(_) => Action::await_change(),
        }
    }

    async fn act(&self, view: &View) -> Result<Option<Verdict>, ProvisionError> {
        match view.standing {
            Standing::Approved => {
                let rivals = self.registry.wanting(view.device()).await?;
                let claims: Vec<_> = rivals.iter().map(View::claim).collect();
                if !holds(&view.claim(), &claims) {
                    let message = "An older enrolment has this device id.";
                    return Ok(Some(Verdict::not_yet(Reason::DeviceIdHeld, message)));
                }
                let Some(key) = view.key() else {
                    let message = "The name is not that of the key, or the key is not taken.";
                    return Ok(Some(Verdict::not_yet(Reason::KeyUnusable, message)));
                };
                if self.access.allow(&view.object.spec.device_id).await? == Told::Yes {
                    audit::access(view, "allowed");
                }
                if let Some(status) = self.with_allowed_labels(view).await? {
                    self.registry.write_status(view, status).await?;
                    return Ok(None);
                }
                self.converge(view, &key).await.map(|()| None)
            }
            Standing::Ready if view.is_rotating() => match view.key() {
                Some(key) => self.converge(view, &key).await.map(|()| None),
                None => Ok(Some(Verdict::ready())),
            },
            Standing::Ready if self.refresh_labels(view).await? => Ok(None),
            Standing::Closed(DenialReason::Revoked) => {
                self.shut_out(view).await?;
                Ok(Some(Verdict::of(view.standing)))
            }
            standing => Ok(Some(Verdict::of(standing))),
        }
    }

    async fn shut_out(&self, view: &View) -> Result<(), ProvisionError> {
        let rivals = self.registry.wanting(view.device()).await?;
        let is_approved = |r: &View| matches!(r.standing, Standing::Approved | Standing::Ready);
        // Otherwise the user is another enrolment's by now, which removes stray keys itself.
        if rivals.iter().any(is_approved) {
            return Ok(());
        }
        let approval = view.object.spec.approval.as_ref();
        let reason = approval.map_or("", |a| a.message.as_str());
        let device = &view.object.spec.device_id;
        // The callout first: it ends connections at once. Whether or not that works, no new token.
        let denied = self.access.deny(device, reason).await;
        self.revoke(view).await?;
        if denied? == Told::Yes {
            audit::access(view, "denied");
        }
        Ok(())
    }
}
