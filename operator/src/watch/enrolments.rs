use std::sync::Arc;

use fleet_api::DeviceEnrolment;
use fleet_contracts::DeviceId;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};

use super::objects::{Objects, follow};
use crate::rejected::Rejected;
use crate::state::{Shared, Source};

/// Follows `DeviceEnrolment` objects.
pub async fn enrolments(shared: Arc<Shared>, rejected: Arc<Rejected>, client: Client) {
    let watch = EnrolmentWatch {
        shared: Arc::clone(&shared),
        rejected,
    };
    follow(shared, Api::all(client), Source::Enrolments, watch).await;
}

/// Of a newer version, or no enrolment at all.
#[derive(Debug, thiserror::Error)]
#[error("the object cannot be read: {0}")]
struct Unreadable(String);

struct EnrolmentWatch {
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
}

impl EnrolmentWatch {
    fn device_of(&self, name: &str) -> Option<DeviceId> {
        let state = self.shared.lock();
        state.known.enrolments.device(name).cloned()
    }
}

impl Objects for EnrolmentWatch {
    type Object = DeserializeGuard<DeviceEnrolment>;
    type Key = String;

    fn applied(&mut self, object: DeserializeGuard<DeviceEnrolment>) -> Option<String> {
        let name = object.name_any();
        match object.0 {
            Ok(enrolment) => {
                let device = &enrolment.spec.device_id;
                self.shared.describe_again(device, |known| {
                    known.enrolments.applied(&name, &enrolment);
                });
            }
            // What it said before goes on to hold.
            Err(error) => {
                let metrics = &self.shared.metrics;
                let reason = "InvalidObject";
                let error = Unreadable(error.error);
                self.rejected
                    .note(metrics, "enrolments", &name, reason, &error);
            }
        }
        Some(name)
    }

    fn gone(&mut self, name: &String) {
        if let Some(device) = self.device_of(name) {
            self.shared
                .describe_again(&device, |known| known.enrolments.gone(name));
        }
    }

    fn key(&self, object: &DeserializeGuard<DeviceEnrolment>) -> Option<String> {
        Some(object.name_any())
    }
}
