//! Judges a `Deployment` object: what may go to devices, and why something may not.
//!
//! The API server refuses nearly all of this first; the operator never trusts that it did.

use fleet_api::condition::ConditionReason;
use fleet_api::{Deployment, DeploymentSpec};
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DesiredEntry, SCHEMA_VERSION, encode};
use fleet_contracts::{DeploymentRef, Revision, UnixMillis};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::body::Body;
use crate::targeting::Selector;

/// Why an object cannot even be named on the bus; nothing can be said on it but a log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// Its name or namespace is not an RFC 1123 label.
    #[error("the name cannot be carried on the bus")]
    Name(#[from] fleet_contracts::id::InvalidName),
    /// An object without name or uid: not from an API server.
    #[error("the object has no name or no uid")]
    Incomplete,
}

impl AdmitError {
    /// The stable reason.
    pub const fn reason(&self) -> ConditionReason {
        match self {
            Self::Name(_) | Self::Incomplete => ConditionReason::InvalidName,
        }
    }
}

/// A `Deployment` as the index takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its name on the wire.
    pub reference: DeploymentRef,
    /// Tells it from an earlier one of the same name.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// When it was created: the older wins a clash on a device.
    pub created: UnixMillis,
    /// Whether it is being deleted.
    pub lifecycle: Lifecycle,
    /// What to run where, or why not.
    pub plan: Result<Plan, Refusal>,
}

/// Whether a `Deployment` is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It is.
    Live,
    /// It has a deletion timestamp.
    Deleting,
}

/// What to run where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// On which devices.
    pub selector: Selector,
    /// The score's revision.
    pub revision: Revision,
    /// The encoded `DesiredEntry`; one allocation for all devices.
    pub body: Body,
}

/// Why a spec was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Condition reason, metric label, Event reason.
    pub reason: ConditionReason,
    /// For people.
    pub message: String,
}

impl Refusal {
    fn new(reason: ConditionReason, message: &impl ToString) -> Self {
        Self {
            reason,
            message: message.to_string(),
        }
    }
}

/// The identity of an object, from its metadata.
#[derive(Debug, Clone, Default)]
pub struct Identity<'a> {
    /// `metadata.namespace`.
    pub namespace: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: UnixMillis,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

impl<'a> From<&'a ObjectMeta> for Identity<'a> {
    fn from(meta: &'a ObjectMeta) -> Self {
        let created = meta.creation_timestamp.as_ref();
        Self {
            namespace: meta.namespace.as_deref().unwrap_or_default(),
            name: meta.name.as_deref().unwrap_or_default(),
            uid: meta.uid.as_deref().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            created: created.map_or(UnixMillis(0), |t| {
                UnixMillis(t.0.as_millisecond().try_into().unwrap_or_default())
            }),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }
}

/// Judges an object that could be read.
pub fn admit(object: &Deployment) -> Result<Admitted, AdmitError> {
    let identity = Identity::from(&object.metadata);
    admit_as(&identity, judge(&object.spec))
}

/// Takes note of an object whose spec could not be read, say one of a newer version.
pub fn admit_unreadable(
    identity: &Identity<'_>,
    error: &impl ToString,
) -> Result<Admitted, AdmitError> {
    let refusal = Refusal::new(ConditionReason::InvalidScore, error);
    admit_as(identity, Err(refusal))
}

fn admit_as(id: &Identity<'_>, plan: Result<Plan, Refusal>) -> Result<Admitted, AdmitError> {
    if id.name.is_empty() || id.uid.is_empty() {
        return Err(AdmitError::Incomplete);
    }
    Ok(Admitted {
        reference: DeploymentRef {
            namespace: id.namespace.parse()?,
            name: id.name.parse()?,
        },
        uid: id.uid.to_owned(),
        generation: id.generation,
        created: id.created,
        lifecycle: if id.deleting {
            Lifecycle::Deleting
        } else {
            Lifecycle::Live
        },
        plan,
    })
}

fn judge(spec: &DeploymentSpec) -> Result<Plan, Refusal> {
    let selector = Selector::parse(&spec.target_selector, spec.target_all)
        .map_err(|e| Refusal::new(e.reason(), &e))?;
    spec.score.validate().map_err(|e| {
        let text = format!("{}: {e}", e.reason());
        Refusal::new(ConditionReason::InvalidScore, &text)
    })?;
    let score = spec.score.to_json();
    let revision = Revision::of(&score);
    let body = encode(&DesiredEntry {
        schema_version: SCHEMA_VERSION,
        revision,
        score,
    });
    let max = Bucket::DesiredState.max_value_bytes();
    if body.len() > max {
        let text = format!(
            "the score takes {} bytes, the bus carries {max}",
            body.len()
        );
        return Err(Refusal::new(ConditionReason::Oversize, &text));
    }
    Ok(Plan {
        selector,
        revision,
        body: Body::new(body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn object(spec: &Value) -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {
                "namespace": "shop", "name": "web", "uid": "u1", "generation": 3,
                "creationTimestamp": "1970-01-01T00:00:05Z",
            },
            "spec": spec,
        }))
        .expect("parses")
    }

    fn spec(services: &Value) -> Value {
        json!({"targetSelector": {"matchLabels": {"a": "b"}},
            "score": {"PodmanV0": {"services": services}}})
    }

    #[test]
    fn a_sound_object_is_taken_whole() {
        let object = object(&spec(&json!([{"name": "s", "image": "i"}])));
        let admitted = admit(&object).expect("admitted");
        assert_eq!(admitted.reference.to_string(), "shop.web");
        assert_eq!(
            (admitted.uid.as_str(), admitted.generation, admitted.created),
            ("u1", 3, UnixMillis(5_000))
        );
        let plan = admitted.plan.expect("valid");
        assert_eq!(plan.revision, object.spec.score.revision());
        let entry: DesiredEntry = serde_json::from_slice(plan.body.bytes()).expect("an entry");
        assert_eq!(Revision::of(&entry.score), plan.revision);
    }

    #[rstest]
    #[case(spec(&json!([])), ConditionReason::InvalidScore)]
    #[case(json!({"score": {"PodmanV0": {"services": [{"name": "s", "image": "i"}]}}}),
        ConditionReason::EmptySelector)]
    #[case(spec(&json!([{"name": "s", "image": "i", "args": ["x".repeat(800_000)]}])),
        ConditionReason::Oversize)]
    fn a_refused_spec_has_a_reason(#[case] spec: Value, #[case] reason: ConditionReason) {
        let admitted = admit(&object(&spec)).expect("named");
        assert_eq!(admitted.plan.map_err(|r| r.reason), Err(reason));
    }

    #[test]
    fn a_name_the_bus_cannot_carry_is_refused() {
        let mut object = object(&spec(&json!([{"name": "s", "image": "i"}])));
        object.metadata.name = Some("web.v2".into());
        assert_eq!(
            admit(&object).map_err(|e| e.reason()),
            Err(ConditionReason::InvalidName)
        );
    }
}
