//! From what the index knows to what people read: conditions, statuses and Events.

mod deployment;
mod device;
mod document;

pub use deployment::{Event, EventKind, Standing, deployment_conditions, event};
pub use device::device_conditions;
pub use document::{conditions, deployment_status, ready, time, unready};

use fleet_api::condition::{ConditionReason, ConditionType};

/// A condition without its time: that depends on what was written before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which condition.
    pub kind: ConditionType,
    /// Its status.
    pub truth: Truth,
    /// Its reason.
    pub reason: ConditionReason,
    /// For people.
    pub message: String,
}

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Truth {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}
