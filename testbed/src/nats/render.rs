//! The server configuration, as `fleet-bus` computes it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use fleet_bus::server::{self, CalloutSettings, ServerSettings, StaticUsers};
use fleet_contracts::DeviceId;

use super::keys::{CalloutKeys, Keys};

/// The whole configuration. `devices` maps ids to public keys.
pub(super) fn config(
    address: SocketAddr,
    store: &Path,
    keys: &Keys,
    callout: Option<&CalloutKeys>,
    devices: &BTreeMap<DeviceId, String>,
) -> String {
    server::render(&ServerSettings {
        listen: address.to_string(),
        name: "testbed".to_owned(),
        store_dir: store.to_owned(),
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
    })
}
