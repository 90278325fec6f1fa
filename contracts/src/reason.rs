//! Why a device failed at something or refused it. Closed sets: a reason is at the same time a
//! condition reason, a metric label, an Event reason and a log field.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A reason of a newer version.
            #[serde(other)]
            Unknown,
        }

        impl $name {
            /// Every reason this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Unknown];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                    Self::Unknown => "Unknown",
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use reasons;

reasons!(
    /// Why a deployment does not run on a device (or not yet).
    DeviceReason {
        /// The registry does not know the image.
        ImageNotFound,
        /// The registry refused the device's credentials.
        RegistryUnauthorized,
        /// The registry did not answer.
        RegistryUnreachable,
        /// The pull failed for another cause.
        PullFailed,
        /// The disk is full.
        NoSpace,
        /// podman's socket is absent, hung or broken.
        PodmanUnavailable,
        /// An older deployment on this device holds the host port.
        PortClash,
        /// An older deployment on this device holds the container name.
        NameClash,
        /// Something that is not ours holds the host port.
        PortInUse,
        /// A container that is not ours holds the name.
        NameInUse,
        /// podman would not create the container.
        CreateFailed,
        /// podman would not start the container.
        StartFailed,
        /// The container ends again and again; restarts back off.
        CrashLoop,
        /// The container ended and its restart policy leaves it so.
        Exited,
        /// The healthcheck fails.
        Unhealthy,
        /// A service this one depends on does not run.
        DependencyNotReady,
        /// The score breaks a rule that the API server should have held.
        InvalidScore,
        /// The score is of a kind this agent does not know.
        UnsupportedScore,
        /// The body of the revision is missing on the bus.
        EntryMissing,
        /// The body does not have the hash the manifest names.
        HashMismatch,
    }
);

reasons!(
    /// Why a device refused a manifest or set its ledger aside.
    RefusalReason {
        /// The signature is missing or wrong, or its key is not trusted.
        BadSignature,
        /// The generation is lower than one already accepted.
        StaleGeneration,
        /// Same generation, other bytes.
        ConflictingGeneration,
        /// The manifest is for another device, or lies under another key.
        WrongDevice,
        /// Not a manifest, or too large.
        Malformed,
        /// A body does not have the hash the manifest names.
        HashMismatch,
        /// A body the manifest names is not on the bus.
        EntryMissing,
        /// The ledger could not be read and was set aside.
        LedgerCorrupt,
        /// The ledger could not be written.
        LedgerUnwritable,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree_and_newer_reasons_are_tolerated() {
        for &reason in DeviceReason::ALL {
            let json = serde_json::to_string(&reason).expect("json");
            assert_eq!(json, format!("\"{reason}\""));
            assert_eq!(
                serde_json::from_str::<DeviceReason>(&json).expect("json"),
                reason
            );
        }
        let newer: DeviceReason = serde_json::from_str("\"MeteorStrike\"").expect("tolerated");
        assert_eq!(newer, DeviceReason::Unknown);
    }
}
