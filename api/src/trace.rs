//! What the operator answers when somebody asks where a change is on its way to a device.
//!
//! No resource: it is computed when it is asked for, at [`path`] of the operator's pages, and kept
//! nowhere. A change is followed by what it has already: the Deployment with its
//! `metadata.generation`, the revision of its score, and the generation of the device's manifest
//! that names this revision.

use std::fmt;

use fleet_contracts::payload::{Phase, Refusal};
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Revision, UnixMillis};
use serde::{Deserialize, Serialize};

/// The port of the operator's Service that answers.
pub const PORT: &str = "metrics";

/// A Service of the operator as requests through the API server name it, and the right to make them.
pub fn proxied(service: &str) -> String {
    format!("http:{service}:{PORT}")
}

/// The pattern of all paths at which the operator answers.
pub const PATTERN: &str = "/trace/{namespace}/{name}/{uid}/{generation}/{device}";

/// Where the operator answers. Only who may read the Deployment knows its uid: that is asked for
/// because the operator cannot see who asks.
pub fn path(deployment: &DeploymentRef, device: &DeviceId, query: &TraceQuery) -> String {
    let (namespace, name) = (&deployment.namespace, &deployment.name);
    let TraceQuery { uid, generation } = query;
    format!("/trace/{namespace}/{name}/{uid}/{generation}/{device}")
}

/// Which state of the Deployment is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceQuery {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
}

macro_rules! verdicts {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// How far a change is, or where it is stuck: the first thing that it still waits for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Verdict {
            $($(#[$doc])* $variant,)*
            /// A verdict of a newer operator.
            #[serde(other)]
            Unknown,
        }

        impl Verdict {
            /// Every verdict this version gives.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                    Self::Unknown => "Unknown",
                }
            }
        }
    };
}

verdicts! {
    /// The operator has not taken this generation of the Deployment yet.
    NotSeen,
    /// The spec is refused; what devices run stays as it is.
    SpecRefused,
    /// The Deployment is being deleted.
    Removing,
    /// There is no Device of this name.
    DeviceUnknown,
    /// The device's labels do not match the selector.
    NotMatched,
    /// The bus does not hold a manifest of the device with this revision yet.
    NotWritten,
    /// The device refuses the manifest.
    DeviceRefuses,
    /// The change lies ready, and the device is not heard.
    DeviceSilent,
    /// The change lies ready, and the device has not said that it follows it.
    OnItsWay,
    /// The device works on it.
    Applying,
    /// The device failed at it, and tries again.
    ApplyFailed,
    /// The device runs it.
    Applied,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a change is on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The Deployment.
    pub deployment: DeploymentRef,
    /// The device.
    pub device: DeviceId,
    /// When this was so, by the operator's clock. All other times here are to be compared with it.
    pub at: UnixMillis,
    /// How far the change is.
    pub verdict: Verdict,
    /// Why it does not go on, from one of the closed sets of reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What keeps the replica that answered from knowing better: each a reason, and words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What the operator took from the Deployment.
    pub seen: SeenStage,
    /// Whether the device is meant.
    pub target: TargetStage,
    /// What the bus holds for the device.
    pub written: WrittenStage,
    /// What the device says of itself.
    pub heard: HeardStage,
    /// What the device reported on this Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<ReportedStage>,
}

/// What the operator took from the Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenStage {
    /// `metadata.generation` of the spec it knows.
    pub generation: i64,
    /// The revision of that spec; none if it is refused and no earlier one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// When that revision was given out; not known to a replica that did not lead at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixMillis>,
}

/// Whether the device is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetStage {
    /// The revision that the device should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The rules of the selector that the device's labels do not meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<Unmet>,
}

/// A rule of a selector that a device's labels do not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmet {
    /// The rule, as kubectl writes it.
    pub rule: String,
    /// The label it looks at.
    pub label: String,
    /// What the device has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What the bus holds for the device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenStage {
    /// The generation of the device's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// The place of that manifest in the stream.
    #[serde(default)]
    pub sequence: u64,
    /// The revision at which it names the Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// What the device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeardStage {
    /// Whether its heartbeats stopped.
    pub stale: bool,
    /// The last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<UnixMillis>,
    /// The manifest that it follows, as of that heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Generation>,
    /// What it refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What the device reported on this Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedStage {
    /// The revision it is about.
    pub revision: Revision,
    /// How far the device is with that.
    pub phase: Phase,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the bus took it in.
    pub received: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_one_word_and_newer_ones_are_tolerated() {
        for &verdict in Verdict::ALL {
            let json = serde_json::to_string(&verdict).expect("json");
            assert_eq!(json, format!("\"{verdict}\""));
        }
        let newer: Verdict = serde_json::from_str("\"LostInSpace\"").expect("tolerated");
        assert_eq!(newer, Verdict::Unknown);
    }

    #[test]
    fn the_path_names_what_is_asked_for() {
        let deployment = "shop.web".parse().expect("a reference");
        let device = "pi-7".parse().expect("a device");
        let query = TraceQuery {
            uid: "0b1c".to_owned(),
            generation: 3,
        };
        let path = path(&deployment, &device, &query);
        assert_eq!(path, "/trace/shop/web/0b1c/3/pi-7");
    }
}
