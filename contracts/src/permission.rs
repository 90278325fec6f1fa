//! What one device may publish and subscribe.
//!
//! Decided here and nowhere else: the server's static users and the auth callout both hand out what
//! this module says.

use serde::Serialize;

use crate::id::DeviceId;
use crate::subject;

/// The most subscriptions a device's connection may hold: its doorbell, its inbox, and room.
pub const MAX_SUBSCRIPTIONS: i64 = 20;

/// Allow-lists; whatever is not on them is refused by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// Subjects it may publish to.
    pub publish: Vec<String>,
    /// Subjects it may subscribe to.
    pub subscribe: Vec<String>,
}

impl Permissions {
    /// The subjects of this device and of no other. They are built from a parsed id, which holds
    /// no dot and no wildcard.
    pub fn of_device(device: &DeviceId) -> Self {
        Self {
            publish: vec![
                // Its manifest and entries.
                format!("{}.{device}.>", subject::GET_DESIRED),
                // Its one info key.
                subject::up_info(device),
                // What became of each deployment: exactly <namespace>.<name> under its id.
                format!("{}.{device}.*.*", subject::UP_STATE),
                // Its one heartbeat key.
                subject::up_heartbeat(device),
            ],
            subscribe: vec![
                // Its doorbell.
                subject::down_desired(device),
                // Answers to its requests.
                format!("{}.>", subject::inbox_prefix(device)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_names_the_device_as_a_whole_token_after_a_literal_prefix() {
        let device: DeviceId = "dev-1".parse().expect("valid");
        let permissions = Permissions::of_device(&device);
        for subject in permissions.publish.iter().chain(&permissions.subscribe) {
            let named = subject
                .split('.')
                .any(|token| token == "dev-1" || token == "_INBOX_dev-1");
            assert!(named, "{subject}");
            let wildcard = subject.find(['*', '>']).unwrap_or(subject.len());
            assert!(
                subject.find("dev-1").is_some_and(|at| at < wildcard),
                "{subject}"
            );
        }
    }

    #[test]
    fn the_whole_grant_is_this() {
        let device: DeviceId = "dev-1".parse().expect("valid");
        assert_eq!(
            Permissions::of_device(&device),
            Permissions {
                publish: [
                    "get.desired.dev-1.>",
                    "up.info.dev-1",
                    "up.state.dev-1.*.*",
                    "up.heartbeat.dev-1"
                ]
                .map(String::from)
                .to_vec(),
                subscribe: ["down.desired.dev-1", "_INBOX_dev-1.>"]
                    .map(String::from)
                    .to_vec(),
            }
        );
    }
}
