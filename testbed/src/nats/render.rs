//! The server configuration, as `fleet-bus` computes it.

use std::collections::BTreeMap;

use fleet_bus::account;
use fleet_bus::server::{self, CalloutSettings, ClusterSettings, ServerSettings, StaticUsers};
use fleet_contracts::{DeviceId, subject};
use serde_json::{Value, json};

use super::keys::{CalloutKeys, Keys};
use super::node::Node;

/// Who logs in on the devices' side with a static key.
pub(super) struct Users<'a> {
    /// Public keys by device.
    pub(super) devices: &'a BTreeMap<DeviceId, String>,
    /// Public keys of users that speak for all of them.
    pub(super) simulators: &'a [String],
}

/// The whole configuration of one of these servers.
pub(super) fn config(
    node: &Node,
    all: &[Node],
    keys: &Keys,
    callout: Option<&CalloutKeys>,
    with: &Users<'_>,
) -> String {
    let settings = ServerSettings {
        listen: node.address.to_string(),
        name: node.name.clone(),
        store_dir: node.store().to_owned(),
        users: StaticUsers {
            auth: vec![keys.auth.public.clone()],
            platform: vec![keys.operator.public.clone()],
            system: vec![keys.system.public.clone()],
            enforcer: vec![keys.enforcer.public.clone()],
            devices: with
                .devices
                .iter()
                .map(|(id, key)| (id.clone(), key.clone()))
                .collect(),
        },
        callout: callout.map(|callout| CalloutSettings {
            issuer: callout.issuer.public.clone(),
            xkey: callout.xkey.public.clone(),
        }),
    };
    if all.len() < 2 {
        return simulated(server::render(&settings), with.simulators);
    }
    let cluster = ClusterSettings {
        name: "testbed".to_owned(),
        listen: node.route.to_string(),
        routes: all.iter().map(|other| other.route.to_string()).collect(),
    };
    simulated(server::render_in(&cluster, &settings), with.simulators)
}

/// Adds users that the product does not know: each of them is every device at once.
fn simulated(config: String, simulators: &[String]) -> String {
    if simulators.is_empty() {
        return config;
    }
    let Ok(mut document) = serde_json::from_str::<Value>(&config) else {
        return config;
    };
    let users = &mut document["accounts"][account::DEVICES]["users"];
    if let Some(users) = users.as_array_mut() {
        users.extend(simulators.iter().map(|key| simulator(key)));
    }
    format!("{document:#}\n")
}

fn simulator(key: &str) -> Value {
    let every = |prefix: &str| format!("{prefix}.>");
    let publish = [
        subject::GET_DESIRED,
        subject::UP_INFO,
        subject::UP_STATE,
        subject::UP_HEARTBEAT,
    ];
    json!({
        "nkey": key,
        "permissions": {
            "publish": {"allow": publish.map(every)},
            "subscribe": {"allow": [every(subject::DOWN_DESIRED), every("_INBOX")]},
        },
    })
}
