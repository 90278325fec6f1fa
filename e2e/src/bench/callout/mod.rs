//! What logins cost: verdicts of the auth callout against the cryptography they are made of, a fleet
//! that comes back after a restart of the bus, and how soon a denied device is off it.
//!
//! Everything is real: nats-server, `fleet-auth callout`, and a connection with a token of its own for
//! each device. Only two things are not. Tokens are signed with the key of the testbed's identity
//! provider without asking it, as ten thousand RSA keys of devices would measure their making. And
//! the rate of verdicts is measured by asking the callout as a server does, since a server takes a
//! connection for each question.

mod fleet;
mod metrics;
mod raw;
mod restart;
mod scene;
mod server;
mod verdicts;

use serde_json::{Value, json};

use super::machine;
use crate::Error;
use scene::Scene;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Devices that are connected and come back.
    pub devices: usize,
    /// Verdicts asked for, with the token's verification and again without.
    pub verdicts: usize,
    /// Devices that are denied, one after the other.
    pub denials: usize,
}

/// Measures, and reports on the way.
pub async fn run(settings: Settings, say: impl Fn(&str)) -> Result<Value, Error> {
    let files = machine::raise_open_files();
    say(&format!("open files: at most {files}"));
    let raw = raw::measure().await?;
    say(&raw.to_string());
    let scene = Scene::start(&say).await?;
    let verdicts = verdicts::measure(&scene, settings.verdicts, &raw, &say).await?;
    let fleet = restart::measure(&scene, settings, &say).await?;
    Ok(json!({
        "raw_operations_per_second": raw.report(),
        "verdicts": verdicts,
        "fleet": fleet,
        "policies": "file",
        "callout_replicas": 1,
        "machine": machine::describe().await,
    }))
}
