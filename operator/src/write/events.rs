//! Events about Deployments: a courtesy to people, and no record. What is true stands in the status.

use std::time::Instant;

use fleet_api::Deployment;
use fleet_contracts::DeploymentRef;
use fleet_operator_core::status::{Event, EventKind};
use fleet_service::chain;
use fleet_service::limit::{Limiter, Rate};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, Recorder, Reporter};
use kube::{Client, Resource as _};

use super::{MANAGER, api};

/// Of one Deployment. One that fails and recovers all the time says nothing new by it.
const EACH: Rate = Rate {
    burst: 10,
    per_minute: 6,
};
/// Of all together: to the API server and etcd each is a write like that of a status.
const ALL: Rate = Rate {
    burst: 1_000,
    per_minute: 600,
};

/// Sends Events, as often as is of use.
pub(super) struct Events {
    recorder: Recorder,
    each: Limiter<DeploymentRef>,
    all: Limiter<()>,
}

impl Events {
    pub(super) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            each: Limiter::new(EACH),
            all: Limiter::new(ALL),
        }
    }

    /// What came of it, in one word. One that cannot be sent is logged and let go.
    pub(super) async fn publish(
        &self,
        reference: &DeploymentRef,
        uid: &str,
        event: Event,
    ) -> &'static str {
        let now = Instant::now();
        if !(self.each.take(reference, now) && self.all.take(&(), now)) {
            return "Withheld";
        }
        let object = ObjectReference {
            api_version: Some(Deployment::api_version(&()).into_owned()),
            kind: Some(Deployment::kind(&()).into_owned()),
            namespace: Some(reference.namespace.to_string()),
            name: Some(reference.name.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        // The API server refuses longer ones.
        let note: String = event.note.chars().take(1_000).collect();
        let event = events::Event {
            type_: match event.kind {
                EventKind::Normal => events::EventType::Normal,
                EventKind::Warning => events::EventType::Warning,
            },
            reason: event.reason.as_str().to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match api(self.recorder.publish(&event, &object)).await {
            Ok(()) => "Written",
            Err(failure) => {
                let error = chain(&failure);
                tracing::warn!(deployment = %reference, reason = event.reason, error, "Event not sent");
                failure.reason()
            }
        }
    }
}
