//! The steps at the identity provider: looking, one step, looking again.

use fleet_api::DeviceEnrolmentStatus;
use fleet_api::condition::ConditionReason as Reason;
use fleet_auth_core::enrol::plan::User;
use fleet_auth_core::enrol::{Goal, Observed, Standing, Step, next, rotation_age};
use fleet_contracts::enrolment::DevicePublicKey;
use jiff::{SignedDuration, Timestamp};

use super::audit;
use super::idp::{Activity, IdpError};
use super::provision::{ProvisionError, Provisioner};
use super::registry::RegistryError;
use super::status::{Verdict, whole_seconds, with_verdict};
use super::view::{View, seconds};
use crate::clock;

/// More steps than any enrolment needs. An identity provider whose lists lag behind its writes lets
/// the same step come again; the next attempt goes on.
const STEPS: usize = 12;

/// A key as it was added.
struct Added {
    id: String,
    expires: Timestamp,
    rotate: Timestamp,
}

impl Provisioner {
    /// Makes the device able to log in with its key, and with the next one if it is changing.
    ///
    /// Each write of the status is an event, and so the next look. This ends with the first.
    pub(super) async fn converge(
        &self,
        view: &View,
        key: &DevicePublicKey,
    ) -> Result<(), ProvisionError> {
        if let Some(status) = without_stale_key(view) {
            return Ok(self.registry.write_status(view, status).await?);
        }
        for _ in 0..STEPS {
            let there = self.observe(view).await?;
            let Some(step) = next(Goal::Enrolled, view.device(), &there)? else {
                // Killed after the key was recorded as such, and before it was called ready.
                return Ok(self.finish(view, &there, None).await?);
            };
            let user = there.user.as_ref().map_or("", |user| user.id.as_str());
            match step {
                // A key that is there without a word in the status would outlive a denial.
                Step::AddKey if !is_recorded(view, user) => {
                    let verdict = Verdict::of(Standing::Approved);
                    let mut status = with_verdict(view, &verdict, Timestamp::now());
                    status.user_id = Some(user.to_owned());
                    return Ok(self.registry.write_status(view, status).await?);
                }
                Step::AddKey => {
                    let added = self.add_key(user, key).await?;
                    audit::stepped(view, &step);
                    return Ok(self.finish(view, &there, Some(added)).await?);
                }
                Step::AddNextKey => {
                    let Some((key, _)) = view.next_key() else {
                        return Ok(());
                    };
                    let added = self.add_key(user, &key).await?;
                    audit::stepped(view, &step);
                    return Ok(self.record_next(view, added).await?);
                }
                step => self.execute(&step, user, view).await?,
            }
        }
        Err(ProvisionError::Restless)
    }

    async fn add_key(&self, user: &str, key: &DevicePublicKey) -> Result<Added, ProvisionError> {
        let now = Timestamp::now();
        let after = |age: u32| {
            let at = now.checked_add(SignedDuration::from_secs(age.into()));
            at.map_err(|_| ProvisionError::Calendar)
        };
        let expires = after(self.key_lifetime)?;
        let rotate = after(rotation_age(self.key_lifetime))?;
        let id = self.idp.add_key(user, key, expires).await?;
        Ok(Added {
            id,
            expires,
            rotate,
        })
    }

    /// One write says which key it is and that all is done: the key is the last step.
    async fn finish(
        &self,
        view: &View,
        there: &Observed,
        added: Option<Added>,
    ) -> Result<(), RegistryError> {
        let mut status = with_verdict(view, &Verdict::ready(), Timestamp::now());
        status.user_id = there.user.as_ref().map(|user| user.id.clone());
        match added {
            Some(added) => {
                status.key_id = Some(added.id);
                status.key_expires_at = Some(whole_seconds(added.expires));
                status.key_rotate_at = Some(whole_seconds(added.rotate));
                // Taken away with the others by a denial: it is to be added again as well.
                if let Some(next) = &mut status.next_key
                    && next
                        .key_id
                        .as_ref()
                        .is_some_and(|id| !there.keys.contains(id))
                {
                    next.key_id = None;
                }
            }
            // Nothing was left to do, so the key that was replaced is gone.
            None => status.retired_key_id = None,
        }
        self.registry.write_status(view, status).await?;
        self.metrics.provisioned(Reason::Provisioned.as_str());
        if view.standing != Standing::Ready {
            audit::ready(view);
        }
        Ok(())
    }

    async fn record_next(&self, view: &View, added: Added) -> Result<(), RegistryError> {
        let mut status = view.status().cloned().unwrap_or_default();
        if let Some(next) = &mut status.next_key {
            next.key_id = Some(added.id);
            next.expires_at = Some(whole_seconds(added.expires));
            next.rotate_at = Some(whole_seconds(added.rotate));
        }
        self.registry.write_status(view, status).await
    }

    /// Lets nobody log in as the device.
    pub(super) async fn revoke(&self, view: &View) -> Result<(), ProvisionError> {
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
        let recorded = view.status().and_then(|status| status.key_id.clone());
        let next = view.planned_key();
        let Some(user) = self.idp.user(view.device()).await? else {
            return Ok(Observed {
                recorded,
                next,
                ..Observed::default()
            });
        };
        let User { id, .. } = &user;
        Ok(Observed {
            grant: self.idp.grant_of(id).await?,
            keys: self.idp.keys(id).await?.into_iter().collect(),
            user: Some(user),
            recorded,
            next,
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
            // Need the key, so they are done where that is.
            Step::AddKey | Step::AddNextKey => {}
        }
        audit::stepped(view, step);
        Ok(())
    }
}

fn is_recorded(view: &View, user: &str) -> bool {
    let recorded = view.status().and_then(|status| status.user_id.as_deref());
    recorded == Some(user)
}

/// The status without a next key whose own time is over: its device never took it into use.
fn without_stale_key(view: &View) -> Option<DeviceEnrolmentStatus> {
    let next = view.status()?.next_key.as_ref()?;
    let over = seconds(next.expires_at.as_ref()?) <= clock::now();
    over.then(|| {
        let mut status = view.status().cloned().unwrap_or_default();
        let next = status.next_key.take();
        // Has it looked after until the key is gone.
        status.retired_key_id = next.and_then(|next| next.key_id);
        status
    })
}
