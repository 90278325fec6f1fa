//! The columns: those of the CRDs' printer columns, and some more with `-o wide`.

use std::collections::BTreeMap;

use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, Device, DeviceEnrolment};
use fleet_contracts::ReconcileScore;
use jiff::Timestamp;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;

use crate::args::{GetArgs, ListFormat};
use crate::deploy::progress::{condition, last_error};
use crate::output::age;
use crate::resource::KindName;
use crate::selector;

/// Which columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    kind: KindName,
    wide: bool,
    namespaces: bool,
    header: bool,
}

const DEVICE: &[&str] = &["NAME", "REACHABLE", "ARCH", "AGENT", "AGE"];
const DEVICE_WIDE: &[&str] = &[
    "NAME",
    "REACHABLE",
    "ARCH",
    "AGENT",
    "AGE",
    "OS",
    "PODMAN",
    "LAST-SEEN",
    "LABELS",
];
const DEPLOYMENT: &[&str] = &[
    "NAMESPACE",
    "NAME",
    "MATCHED",
    "SUCCEEDED",
    "FAILED",
    "PENDING",
    "UNREACHABLE",
    "READY",
    "AGE",
];
const DEPLOYMENT_WIDE: &[&str] = &[
    "NAMESPACE",
    "NAME",
    "MATCHED",
    "SUCCEEDED",
    "FAILED",
    "PENDING",
    "UNREACHABLE",
    "READY",
    "AGE",
    "IMAGES",
    "SELECTOR",
    "LAST-ERROR",
];
const ENROLMENT: &[&str] = &["NAME", "DEVICE", "DECISION", "READY", "REASON", "AGE"];
const ENROLMENT_WIDE: &[&str] = &[
    "NAME",
    "DEVICE",
    "DECISION",
    "READY",
    "REASON",
    "AGE",
    "FINGERPRINT",
    "LABELS",
];
/// In place of what is not known, as kubectl writes it.
const NONE: &str = "<none>";

impl Columns {
    pub(super) fn of(args: &GetArgs) -> Self {
        let (kind, wide) = (args.kind(), args.output == ListFormat::Wide);
        Self {
            kind,
            wide,
            namespaces: args.all_namespaces,
            header: !args.no_headers,
        }
    }

    /// Empty without headers: rows then need not be as wide as those.
    pub(super) fn header(self) -> &'static [&'static str] {
        if !self.header {
            return &[];
        }
        let header = match (self.kind, self.wide) {
            (KindName::Device, false) => DEVICE,
            (KindName::Device, true) => DEVICE_WIDE,
            (KindName::Deployment, false) => DEPLOYMENT,
            (KindName::Deployment, true) => DEPLOYMENT_WIDE,
            (KindName::Enrolment, false) => ENROLMENT,
            (KindName::Enrolment, true) => ENROLMENT_WIDE,
        };
        let skip = usize::from(self.kind == KindName::Deployment && !self.namespaces);
        header.get(skip..).unwrap_or(header)
    }

    pub(super) fn row(self, object: &DynamicObject, now: Timestamp) -> Vec<String> {
        let row = match self.kind {
            KindName::Device => typed::<Device>(object).map(|d| self.device(&d, now)),
            KindName::Deployment => typed::<Deployment>(object).map(|d| self.deployment(&d, now)),
            KindName::Enrolment => {
                typed::<DeviceEnrolment>(object).map(|e| self.enrolment(&e, now))
            }
        };
        // An object this version cannot read still has a name; the others must not vanish with it.
        row.unwrap_or_else(|| {
            let name = object.metadata.name.clone().unwrap_or_default();
            let namespace = object
                .metadata
                .namespace
                .clone()
                .filter(|_| self.namespaces);
            namespace
                .into_iter()
                .chain([name, "<unreadable>".to_owned()])
                .collect()
        })
    }

    fn device(self, device: &Device, now: Timestamp) -> Vec<String> {
        let (status, inventory) = (device.status.as_ref(), &device.spec.inventory);
        let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
        let mut row = vec![
            device.metadata.name.clone().unwrap_or_default(),
            condition(conditions, ConditionType::Reachable)
                .map_or_else(|| "Unknown".to_owned(), |c| c.status.clone()),
            or_none(inventory.architecture.as_ref()),
            or_none(inventory.agent_version.as_ref()),
            age(device.metadata.creation_timestamp.as_ref(), now),
        ];
        if self.wide {
            row.push(or_none(inventory.operating_system.as_ref()));
            row.push(or_none(inventory.podman_version.as_ref()));
            row.push(age(status.and_then(|s| s.last_seen.as_ref()), now));
            row.push(labels(device.metadata.labels.as_ref()));
        }
        row
    }

    fn enrolment(self, enrolment: &DeviceEnrolment, now: Timestamp) -> Vec<String> {
        let spec = &enrolment.spec;
        let status = enrolment.status.as_ref();
        let conditions = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
        let ready = condition(conditions, ConditionType::Ready);
        let by_policy = status.and_then(|s| s.policy_approval.as_ref());
        let decision = match (&spec.approval, by_policy) {
            (Some(approval), _) => approval.decision.to_string(),
            (None, Some(_)) => "ByPolicy".to_owned(),
            (None, None) => NONE.to_owned(),
        };
        let mut row = vec![
            enrolment.metadata.name.clone().unwrap_or_default(),
            spec.device_id.to_string(),
            decision,
            ready.map_or_else(|| "Unknown".to_owned(), |c| c.status.clone()),
            or_none(ready.map(|c| &c.reason)),
            age(enrolment.metadata.creation_timestamp.as_ref(), now),
        ];
        if self.wide {
            row.push(spec.fingerprint.clone());
            row.push(labels(Some(&spec.labels)));
        }
        row
    }

    fn deployment(self, deployment: &Deployment, now: Timestamp) -> Vec<String> {
        let status = deployment.status.clone().unwrap_or_default();
        let a = &status.aggregate;
        let mut row: Vec<String> = deployment
            .metadata
            .namespace
            .clone()
            .into_iter()
            .filter(|_| self.namespaces)
            .chain([deployment.metadata.name.clone().unwrap_or_default()])
            .collect();
        row.extend(
            [
                a.matched_device_count,
                a.succeeded,
                a.failed,
                a.pending,
                a.unreachable,
            ]
            .map(|count| count.to_string()),
        );
        row.push(
            condition(&status.conditions, ConditionType::Ready)
                .map_or_else(|| "Unknown".to_owned(), |c| c.status.clone()),
        );
        row.push(age(deployment.metadata.creation_timestamp.as_ref(), now));
        if self.wide {
            row.push(images(&deployment.spec.score));
            row.push(selector::show(&deployment.spec));
            row.push(last_error(a).unwrap_or_else(|| NONE.to_owned()));
        }
        row
    }
}

fn typed<K: DeserializeOwned>(object: &DynamicObject) -> Option<K> {
    serde_json::to_value(object)
        .and_then(serde_json::from_value)
        .ok()
}

fn or_none(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| NONE.to_owned())
}

fn labels(labels: Option<&BTreeMap<String, String>>) -> String {
    let pairs: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    if pairs.is_empty() {
        NONE.to_owned()
    } else {
        pairs.join(",")
    }
}

/// The images of all services.
pub(crate) fn images(score: &ReconcileScore) -> String {
    match score {
        ReconcileScore::PodmanV0(score) => score
            .services
            .iter()
            .map(|s| s.image.as_str())
            .collect::<Vec<_>>()
            .join(","),
        _ => NONE.to_owned(),
    }
}
