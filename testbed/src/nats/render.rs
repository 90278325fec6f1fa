//! The server configuration, as `fleet-bus` computes it.

use std::collections::BTreeMap;

use fleet_bus::server::{self, CalloutSettings, ClusterSettings, ServerSettings, StaticUsers};
use fleet_contracts::DeviceId;

use super::keys::{CalloutKeys, Keys};
use super::node::Node;

/// The whole configuration of one of these servers. `devices` maps ids to public keys.
pub(super) fn config(
    node: &Node,
    all: &[Node],
    keys: &Keys,
    callout: Option<&CalloutKeys>,
    devices: &BTreeMap<DeviceId, String>,
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
            devices: devices
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
        return server::render(&settings);
    }
    let cluster = ClusterSettings {
        name: "testbed".to_owned(),
        listen: node.route.to_string(),
        routes: all.iter().map(|other| other.route.to_string()).collect(),
    };
    server::render_in(&cluster, &settings)
}
