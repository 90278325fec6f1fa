//! A `DeviceEnrolment` as the core sees it.

use fleet_api::condition::{ConditionReason as Reason, ConditionType};
use fleet_api::{Decision, DeviceEnrolment, DeviceEnrolmentStatus};
use fleet_auth_core::enrol::{Claim, Existing, NextKey, Progress, Situation, Standing, standing};
use fleet_contracts::enrolment::DevicePublicKey;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

/// An enrolment, and how it stands now.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) object: DeviceEnrolment,
    pub(crate) name: String,
    pub(crate) standing: Standing,
    situation: Situation,
}

impl View {
    pub(crate) fn new(object: DeviceEnrolment, now: u64, patience: u64) -> Self {
        let situation = situation(&object);
        Self {
            name: object.name_any(),
            standing: standing(&situation, now, patience),
            object,
            situation,
        }
    }

    pub(crate) fn device(&self) -> &str {
        self.object.spec.device_id.as_str()
    }

    pub(crate) fn status(&self) -> Option<&DeviceEnrolmentStatus> {
        self.object.status.as_ref()
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.standing, Standing::Closed(_))
    }

    pub(crate) fn created(&self) -> u64 {
        self.situation.created
    }

    /// Until when the device can log in, whichever of its keys it uses.
    pub(crate) fn key_expires(&self) -> Option<u64> {
        self.situation.key_expires
    }

    /// Until when its current key is taken.
    pub(crate) fn current_expires(&self) -> Option<u64> {
        let at = self.status()?.key_expires_at.as_ref();
        at.map(seconds)
    }

    /// The device's key: the one it enrolled with until it has replaced that. None if the object is
    /// not really about it: its name follows from the first key.
    pub(crate) fn key(&self) -> Option<DevicePublicKey> {
        let first: DevicePublicKey = self.object.spec.public_key.parse().ok()?;
        if first.enrolment_id().as_str() != self.name {
            return None;
        }
        match self.status().and_then(|s| s.public_key.as_deref()) {
            Some(later) => later.parse().ok(),
            None => Some(first),
        }
    }

    /// The key that the device is changing to, and how far that is.
    pub(crate) fn next_key(&self) -> Option<(DevicePublicKey, Progress)> {
        let next = self.status()?.next_key.as_ref()?;
        let progress = match next.key_id {
            Some(_) => Progress::Added,
            None => Progress::Wanted,
        };
        Some((next.public_key.parse().ok()?, progress))
    }

    /// The same as what the plan looks at.
    pub(crate) fn planned_key(&self) -> NextKey {
        match self.status().and_then(|s| s.next_key.as_ref()) {
            None => NextKey::None,
            Some(next) => match &next.key_id {
                None => NextKey::Wanted,
                Some(id) => NextKey::Recorded(id.clone()),
            },
        }
    }

    /// Whether keys are being replaced: more than one is there, or should be.
    pub(crate) fn is_rotating(&self) -> bool {
        let has = |s: &DeviceEnrolmentStatus| s.next_key.is_some() || s.retired_key_id.is_some();
        self.status().is_some_and(has)
    }

    /// What keeps its approval from being carried out; none while nothing does.
    pub(crate) fn held_up_by(&self) -> Option<&str> {
        let troubles = [
            Reason::PolicyStoreFailed,
            Reason::IdentityProviderFailed,
            Reason::KeyUnusable,
        ];
        let mut conditions = self.status()?.conditions.iter();
        let ready = conditions.find(|c| c.type_ == ConditionType::Ready.as_str())?;
        let trouble = troubles.iter().find(|r| r.as_str() == ready.reason)?;
        Some(trouble.as_str())
    }

    pub(crate) fn claim(&self) -> Claim<'_> {
        Claim {
            name: &self.name,
            created: self.situation.created,
            has_user: self.situation.has_user,
            standing: self.standing,
        }
    }

    pub(crate) fn existing(&self) -> Existing {
        Existing {
            uid: self.object.uid().unwrap_or_default(),
            token: self.object.spec.token_id.clone(),
            is_closed: self.is_closed(),
        }
    }
}

pub(crate) fn seconds(at: &Time) -> u64 {
    u64::try_from(at.0.as_second()).unwrap_or(0)
}

fn situation(object: &DeviceEnrolment) -> Situation {
    let status = object.status.clone().unwrap_or_default();
    // Of what was decided last: who was denied and approved again has lost its keys in between, and
    // nobody may have had the time to say so.
    let generation = object.metadata.generation;
    let ready = status.conditions.iter().any(|c| {
        let is_ready = c.type_ == ConditionType::Ready.as_str() && c.status == "True";
        is_ready && c.observed_generation == generation
    });
    let created = object.metadata.creation_timestamp.as_ref();
    let next = status.next_key.as_ref();
    let next_expires = next.and_then(|next| next.key_id.as_ref().and(next.expires_at.as_ref()));
    // What a person says goes before what a policy said.
    let approved = match &object.spec.approval {
        Some(approval) => Some(approval.decision == Decision::Approved),
        None => status.policy_approval.as_ref().map(|_| true),
    };
    Situation {
        approved,
        created: created.map_or(0, seconds),
        has_user: status.user_id.is_some(),
        is_provisioned: ready && status.key_id.is_some(),
        // A device that uses its next key already need not have been able to say so.
        key_expires: status
            .key_expires_at
            .as_ref()
            .max(next_expires)
            .map(seconds),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use fleet_api::DeviceEnrolment;
    use fleet_auth_core::enrol::Standing;
    use serde_json::json;

    use super::View;

    /// Approved in the third version of its spec; ready, as somebody said of another.
    fn ready_as_of(generation: i64) -> DeviceEnrolment {
        let since = "2026-01-01T00:00:00Z";
        let object = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1",
            "kind": "DeviceEnrolment",
            "metadata": {"name": "e", "generation": 3, "creationTimestamp": since},
            "spec": {
                "deviceId": "robot-7",
                "publicKey": "key",
                "fingerprint": "SHA256:x",
                "facts": {},
                "tokenId": "t",
                "approval": {"decision": "Approved", "message": "found"},
            },
            "status": {
                "userId": "u",
                "keyId": "k",
                "conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "reason": "Provisioned",
                    "message": "",
                    "observedGeneration": generation,
                    "lastTransitionTime": since,
                }],
            },
        });
        serde_json::from_value(object).expect("an enrolment")
    }

    #[test]
    fn who_was_ready_before_the_last_decision_is_looked_at_again() {
        let standing = |generation| View::new(ready_as_of(generation), 0, 60).standing;
        assert_eq!(standing(3), Standing::Ready);
        assert_eq!(standing(1), Standing::Approved);
    }
}
