//! Condition types and their reasons: closed sets. A condition's reason is at the same time the
//! Event's reason, the metric's label and the log field.

use std::fmt;

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed!(
    /// The types of conditions on our resources.
    ConditionType {
        /// Deployment: every matched device runs the current revision. `DeviceEnrolment`: the device
        /// can log in. (kstatus: `Ready`)
        Ready,
        /// Deployment: devices still have to report. (kstatus: `Progressing`)
        Progressing,
        /// Deployment: it cannot go on without help. (kstatus: `Stalled`)
        Stalled,
        /// Device: heartbeats arrive.
        Reachable,
        /// Device: heartbeats stopped; the opposite of Reachable, for those who wait on it.
        Stale,
        /// Device: all labels it sent were usable.
        LabelsAccepted,
        /// Device: it takes the manifests it is sent.
        Synced,
        /// `DeviceEnrolment`: somebody said yes.
        Approved,
        /// `DeviceEnrolment`: somebody said no, or nobody anything in time.
        Denied,
    }
);

closed!(
    /// Why a condition has its status.
    ConditionReason {
        /// Every matched device reported success.
        AllSucceeded,
        /// The selector matches no device.
        NoDevicesMatched,
        /// Devices have not reported yet.
        DevicesPending,
        /// Devices reported a failure.
        DevicesFailed,
        /// The selector is empty and `targetAll` is not set.
        EmptySelector,
        /// The selector breaks a rule of Kubernetes' label selectors.
        InvalidSelector,
        /// The score breaks a rule.
        InvalidScore,
        /// The name cannot be carried on the bus.
        InvalidName,
        /// The score is larger than the bus carries.
        Oversize,
        /// The device's manifest would be larger than the bus carries.
        ManifestOversize,
        /// The Deployment is being deleted.
        Deleting,
        /// Heartbeats arrive.
        HeartbeatReceived,
        /// No heartbeat within the threshold.
        HeartbeatMissed,
        /// No heartbeat yet, and the first threshold is not over.
        HeartbeatAwaited,
        /// All labels were usable.
        AllAccepted,
        /// Some labels were dropped.
        LabelsDropped,
        /// The device follows its manifest.
        InSync,
        /// The device refused a manifest; the message names its reason.
        ManifestRefused,
        /// Nobody has decided about the enrolment.
        ApprovalAwaited,
        /// Somebody decided about the enrolment.
        Decided,
        /// A rule of the approval policy approved the enrolment; the message says which, and why.
        ApprovedByPolicy,
        /// Nobody decided in time.
        ApprovalTimedOut,
        /// An approval was taken back.
        ApprovalRevoked,
        /// The device's user and key are being made at the identity provider.
        Provisioning,
        /// The identity provider does not answer or refuses; the message says what.
        IdentityProviderFailed,
        /// The device has a user, a key and its role at the identity provider.
        Provisioned,
        /// The policy store, which the callout reads, does not answer or refuses; the message says what.
        PolicyStoreFailed,
        /// Another enrolment, older than this one, holds the device id.
        DeviceIdHeld,
        /// The enrolled key is over; the device has to enrol anew.
        KeyExpired,
        /// What was enrolled is no key that this version takes.
        KeyUnusable,
    }
);
