//! The four accounts and how they meet.
//!
//! Permissions inside one account do not isolate devices: NATS never checks the reply subject of a
//! publish, so a device could have an answer delivered under another device's key. Accounts do
//! isolate, so devices live in one without JetStream and reach the buckets through mapped imports.

use fleet_contracts::kv::Bucket;
use fleet_contracts::subject;
use serde_json::{Value, json};

/// The login of the auth callout, and nothing else.
pub const AUTH: &str = "AUTH";
/// JetStream, operator, people with the platform's credentials.
pub const PLATFORM: &str = "PLATFORM";
/// Every device.
pub const DEVICES: &str = "DEVICES";
/// The server's own events and requests.
pub const SYS: &str = "SYS";

/// One service that PLATFORM offers to DEVICES: where it is, and under which name they see it.
struct Service {
    platform: String,
    devices: String,
}

fn services() -> [Service; 4] {
    let bucket = |bucket: Bucket, prefix: &str| Service {
        platform: bucket.subject(&">"),
        devices: format!("{prefix}.>"),
    };
    let desired = Bucket::DesiredState;
    [
        // Only the form with the subject in the name: the one with a body could ask for any key.
        Service {
            platform: format!(
                "$JS.API.DIRECT.GET.{}.{}",
                desired.stream(),
                desired.subject(&">")
            ),
            devices: format!("{}.>", subject::GET_DESIRED),
        },
        bucket(Bucket::DeviceInfo, subject::UP_INFO),
        bucket(Bucket::DeviceState, subject::UP_STATE),
        bucket(Bucket::DeviceHeartbeat, subject::UP_HEARTBEAT),
    ]
}

fn doorbell() -> String {
    format!("{}.>", subject::DOORBELL)
}

/// What PLATFORM exports, to DEVICES only.
pub fn platform_exports() -> Value {
    let mut exports: Vec<_> = services()
        .into_iter()
        .map(|service| json!({"service": service.platform, "accounts": [DEVICES]}))
        .collect();
    exports.push(json!({"stream": doorbell(), "accounts": [DEVICES]}));
    Value::Array(exports)
}

/// What DEVICES imports, each under the name that devices use.
pub fn device_imports() -> Value {
    let mut imports: Vec<_> = services()
        .into_iter()
        .map(|service| {
            json!({"service": {"account": PLATFORM, "subject": service.platform}, "to": service.devices})
        })
        .collect();
    imports.push(json!({
        "stream": {"account": PLATFORM, "subject": doorbell()},
        "to": format!("{}.>", subject::DOWN_DESIRED),
    }));
    Value::Array(imports)
}
