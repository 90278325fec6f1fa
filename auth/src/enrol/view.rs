//! A `DeviceEnrolment` as the core sees it.

use fleet_api::condition::ConditionType;
use fleet_api::{Decision, DeviceEnrolment};
use fleet_auth_core::enrol::{Claim, Existing, Situation, Standing, standing};
use fleet_contracts::enrolment::DevicePublicKey;
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

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.standing, Standing::Closed(_))
    }

    pub(crate) fn created(&self) -> u64 {
        self.situation.created
    }

    pub(crate) fn key_expires(&self) -> Option<u64> {
        self.situation.key_expires
    }

    /// The key, if the object is really about it: its name follows from the key.
    pub(crate) fn key(&self) -> Option<DevicePublicKey> {
        let key: DevicePublicKey = self.object.spec.public_key.parse().ok()?;
        (key.enrolment_id().as_str() == self.name).then_some(key)
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

fn situation(object: &DeviceEnrolment) -> Situation {
    let status = object.status.clone().unwrap_or_default();
    let seconds = |at: jiff::Timestamp| u64::try_from(at.as_second()).unwrap_or(0);
    let ready = status
        .conditions
        .iter()
        .any(|c| c.type_ == ConditionType::Ready.as_str() && c.status == "True");
    let approval = object.spec.approval.as_ref();
    let created = object.metadata.creation_timestamp.as_ref();
    Situation {
        approved: approval.map(|a| a.decision == Decision::Approved),
        created: created.map_or(0, |at| seconds(at.0)),
        has_user: status.user_id.is_some(),
        is_provisioned: ready && status.key_id.is_some(),
        key_expires: status.key_expires_at.map(|at| seconds(at.0)),
    }
}
