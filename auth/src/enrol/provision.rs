//! Brings the identity provider to what was decided, one enrolment at a time.

use std::sync::Arc;
use std::time::Duration;

use fleet_api::DeviceEnrolment;
use fleet_api::condition::ConditionReason as Reason;
use fleet_auth_core::enrol::plan::User;
use fleet_auth_core::enrol::{Blocked, Goal, Observed, Standing, Step, holds, next};
use fleet_contracts::enrolment::{DenialReason, DevicePublicKey};
use fleet_service::chain;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use super::audit;
use super::idp::{Activity, Idp, IdpError};
use super::metrics::Metrics;
use super::registry::{Registry, RegistryError};
use super::status::{Verdict, whole_seconds, with_verdict};
use super::view::View;
use crate::clock;

/// More steps than any enrolment needs. An identity provider whose lists lag behind its writes lets
/// the same step come again; the next attempt goes on.
const STEPS: usize = 12;
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

/// What it needs.
#[derive(Clone)]
pub struct Provisioner {
    /// The enrolments.
    pub registry: Registry,
    /// The identity provider.
    pub idp: Arc<Idp>,
    /// How long keys are taken, in seconds.
    pub key_lifetime: u32,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Provisioner {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let api = self.registry.api.clone();
        let controller = Controller::new(api, watcher::Config::default())
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
            // Its status was written along the way.
            Ok(None) => return Ok(Action::await_change()),
            Err(ProvisionError::Registry(error)) if error.is_conflict() => {
                return Ok(Action::requeue(Duration::from_millis(100)));
            }
            Err(error) => Verdict::not_yet(Reason::IdentityProviderFailed, chain(error)),
        };
        self.metrics.provisioned(verdict.reason.as_str());
        let status = with_verdict(&view, &verdict, Timestamp::now());
        self.registry.write_status(&view, status).await?;
        outcome?;
        Ok(self.again(&view))
    }

    fn again(&self, view: &View) -> Action {
        let now = clock::now();
        let until = |end: u64| Duration::from_secs(end.saturating_sub(now).max(1)).min(LOOK * 120);
        match view.standing {
            Standing::Pending => Action::requeue(until(view.created() + self.registry.patience)),
            Standing::Approved => Action::requeue(LOOK),
            Standing::Ready => match view.key_expires() {
                Some(end) => Action::requeue(until(end)),
                None => Action::await_change(),
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
                self.enrol(view, &key).await.map(|()| None)
            }
            Standing::Closed(DenialReason::Revoked) => {
                let rivals = self.registry.wanting(view.device()).await?;
                let is_approved =
                    |r: &View| matches!(r.standing, Standing::Approved | Standing::Ready);
                // Otherwise the user is another enrolment's by now, which removes stray keys itself.
                if !rivals.iter().any(is_approved) {
                    self.revoke(view).await?;
                }
                Ok(Some(Verdict::of(view.standing)))
            }
            standing => Ok(Some(Verdict::of(standing))),
        }
    }

    async fn enrol(&self, view: &View, key: &DevicePublicKey) -> Result<(), ProvisionError> {
        for _ in 0..STEPS {
            let there = self.observe(view).await?;
            let Some(step) = next(Goal::Enrolled, view.device(), &there)? else {
                // Killed after the key was recorded as such, and before it was called ready.
                return Ok(self.finish(view, &there, None).await?);
            };
            let user = there.user.as_ref().map_or("", |user| user.id.as_str());
            if step == Step::AddKey {
                let lifetime = SignedDuration::from_secs(self.key_lifetime.into());
                let expires = Timestamp::now().checked_add(lifetime);
                let expires = expires.map_err(|_| ProvisionError::Calendar)?;
                let added = self.idp.add_key(user, key, expires).await?;
                audit::stepped(view, &step);
                return Ok(self.finish(view, &there, Some((added, expires))).await?);
            }
            self.execute(&step, user, view).await?;
        }
        Err(ProvisionError::Restless)
    }

    /// One write says which key it is and that all is done: the key is the last step.
    async fn finish(
        &self,
        view: &View,
        there: &Observed,
        added: Option<(String, Timestamp)>,
    ) -> Result<(), RegistryError> {
        let mut status = with_verdict(view, &Verdict::ready(), Timestamp::now());
        status.user_id = there.user.as_ref().map(|user| user.id.clone());
        if let Some((key, expires)) = added {
            status.key_id = Some(key);
            status.key_expires_at = Some(whole_seconds(expires));
        }
        self.registry.write_status(view, status).await?;
        self.metrics.provisioned(Reason::Provisioned.as_str());
        audit::ready(view);
        Ok(())
    }

    async fn revoke(&self, view: &View) -> Result<(), ProvisionError> {
        for _ in 0..STEPS {
            let there = self.observe(view).await?;
            let Some(step) = next(Goal::Revoked, view.device(), &there)? else {
                return Ok(());
            };
            let user = there.user.as_ref().map_or("", |user| user.id.as_str());
            self.execute(&step, user, view).await?;
        }
        Err(ProvisionError::Restless)
    }

    async fn observe(&self, view: &View) -> Result<Observed, IdpError> {
        let status = view.object.status.as_ref();
        let recorded = status.and_then(|status| status.key_id.clone());
        let Some(user) = self.idp.user(view.device()).await? else {
            return Ok(Observed {
                recorded,
                ..Observed::default()
            });
        };
        let User { id, .. } = &user;
        Ok(Observed {
            grant: self.idp.grant_of(id).await?,
            keys: self.idp.keys(id).await?.into_iter().collect(),
            user: Some(user),
            recorded,
        })
    }

    async fn execute(&self, step: &Step, user: &str, view: &View) -> Result<(), IdpError> {
        let idp = &self.idp;
        match step {
            Step::CreateUser => idp.create_user(view.device()).await?,
            Step::SetDevice => idp.set_device(user, view.device()).await?,
            Step::Reactivate => idp.set_active(user, Activity::Active).await?,
            Step::Deactivate => idp.set_active(user, Activity::Inactive).await?,
            Step::Grant => idp.grant(user).await?,
            Step::AddRole(grant) => idp.set_role(grant).await?,
            Step::ActivateGrant(grant) => idp.activate_grant(grant).await?,
            Step::RemoveKey(key) => idp.remove_key(user, key).await?,
            // Needs the key, so it is done where that is.
            Step::AddKey => {}
        }
        audit::stepped(view, step);
        Ok(())
    }
}
