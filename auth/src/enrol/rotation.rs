//! Answers devices that replace their key. What is done at the identity provider about it is done by
//! whoever provisions; here is only written down what shall be.

use fleet_api::{DeviceEnrolmentStatus, NextKey as StoredNextKey};
use fleet_auth_core::enrol::rotation::{Offer, Use};
use fleet_auth_core::enrol::{Keys, Progress, offer, take_up};
use fleet_contracts::UnixMillis;
use fleet_contracts::enrolment::proof::Call;
use fleet_contracts::enrolment::rotation::{key_path, next_key_path};
use fleet_contracts::enrolment::{
    DevicePublicKey, Enrolment, EnrolmentId, EnrolmentRefusal as Refusal, KeyChange, NextKey,
    NextKeyState, SCHEMA_VERSION,
};
use fleet_service::chain;

use super::audit;
use super::desk::{Desk, READINGS, SOON, away, parse};
use super::view::{View, seconds};
use crate::clock;

/// The keys of an enrolment with their ids.
struct Known {
    current: DevicePublicKey,
    current_id: EnrolmentId,
    current_ends: Option<u64>,
    next: Option<(EnrolmentId, Progress)>,
}

impl Known {
    fn of(view: &View) -> Result<Self, Refusal> {
        let current = view.key().ok_or(Refusal::NotFound)?;
        Ok(Self {
            current_id: current.enrolment_id(),
            current,
            current_ends: view.current_expires(),
            next: view
                .next_key()
                .map(|(key, progress)| (key.enrolment_id(), progress)),
        })
    }

    fn keys(&self) -> Keys<'_> {
        Keys {
            current: &self.current_id,
            current_ends: self.current_ends,
            next: self.next.as_ref().map(|(id, progress)| (id, *progress)),
        }
    }
}

impl Desk {
    /// `PUT /v1/enrolments/<id>/next-key`, proved by the key there is and by the new one.
    pub async fn put_next_key(
        &self,
        proofs: [&str; 2],
        id: &str,
        body: &[u8],
    ) -> Result<NextKey, Refusal> {
        let change: KeyChange = parse(body)?;
        let id: EnrolmentId = id.parse().map_err(|_| Refusal::NotFound)?;
        let path = next_key_path(&id);
        let call = Call {
            method: "PUT",
            path: &path,
            body,
        };
        let offered = change.public_key.enrolment_id();
        let [by_current, by_new] = proofs;
        for _ in 0..READINGS {
            let view = self.find(&id).await?;
            let known = Known::of(&view)?;
            self.check(by_current, &known.current_id, &known.current, &call)?;
            self.check(by_new, &offered, &change.public_key, &call)?;
            let state = match offer(view.standing, &known.keys(), &offered, clock::now())? {
                Offer::Answer => added(&view).ok_or(Refusal::Unavailable)?,
                Offer::Wait => PENDING,
                Offer::Record => {
                    let mut status = view.status().cloned().unwrap_or_default();
                    status.next_key = Some(StoredNextKey {
                        public_key: change.public_key.to_string(),
                        key_id: None,
                        expires_at: None,
                        rotate_at: None,
                    });
                    if !self.store(&view, status).await? {
                        continue;
                    }
                    audit::key_offered(&view, &change.public_key.fingerprint());
                    PENDING
                }
            };
            return Ok(NextKey {
                schema_version: SCHEMA_VERSION,
                enrolment_id: id,
                state,
            });
        }
        Err(Refusal::Unavailable)
    }

    /// `PUT /v1/enrolments/<id>/key`, proved by the key in it.
    pub async fn put_key(&self, proof: &str, id: &str, body: &[u8]) -> Result<Enrolment, Refusal> {
        let change: KeyChange = parse(body)?;
        let id: EnrolmentId = id.parse().map_err(|_| Refusal::NotFound)?;
        let path = key_path(&id);
        let call = Call {
            method: "PUT",
            path: &path,
            body,
        };
        let used = change.public_key.enrolment_id();
        self.check(proof, &used, &change.public_key, &call)?;
        for _ in 0..READINGS {
            let view = self.find(&id).await?;
            let known = Known::of(&view)?;
            match take_up(view.standing, &known.keys(), &used)? {
                Use::Answer => return self.state(&view).await,
                Use::Promote => {
                    let status = promoted(&view, &change.public_key).ok_or(Refusal::Unavailable)?;
                    if self.store(&view, status).await? {
                        audit::key_replaced(&view, &change.public_key.fingerprint());
                    }
                }
            }
        }
        Err(Refusal::Unavailable)
    }

    /// False if somebody else wrote since it was read.
    async fn store(&self, view: &View, status: DeviceEnrolmentStatus) -> Result<bool, Refusal> {
        match self.registry.write_status(view, status).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => {
                tracing::debug!(error = chain(&error), "an enrolment was changed meanwhile");
                Ok(false)
            }
            Err(error) => Err(away(&error)),
        }
    }
}

const PENDING: NextKeyState = NextKeyState::Pending {
    poll_after_seconds: SOON,
};

fn added(view: &View) -> Option<NextKeyState> {
    let next = view.status()?.next_key.as_ref()?;
    let expires = seconds(next.expires_at.as_ref()?);
    Some(NextKeyState::Added {
        key_id: next.key_id.clone()?,
        key_expires_at: UnixMillis(expires.saturating_mul(1000)),
    })
}

/// The next key is the device's from now on; the one before is to be removed.
fn promoted(view: &View, key: &DevicePublicKey) -> Option<DeviceEnrolmentStatus> {
    let mut status = view.status()?.clone();
    let next = status.next_key.take()?;
    status.retired_key_id = status.key_id.take();
    status.key_id = next.key_id;
    status.key_expires_at = next.expires_at;
    status.key_rotate_at = next.rotate_at;
    status.public_key = Some(key.to_string());
    Some(status)
}
