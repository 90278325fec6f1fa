//! A `nats-server` configuration, as JSON: the server's own format takes it as it is.

use std::path::PathBuf;

use fleet_contracts::DeviceId;
use fleet_contracts::permission::{MAX_SUBSCRIPTIONS, Permissions};
use serde_json::{Value, json};

use crate::{account, system};

/// The longest line of the protocol in bytes: a CONNECT with a JWT in it outgrows the server's default
/// of 4 KiB.
pub const MAX_CONTROL_LINE: u32 = 16 * 1024;

/// How long a login may take, in seconds. The server waits as long for the callout, which may have
/// to ask the identity provider for its keys first; the default of 2 s is short for that.
const AUTHORIZATION_TIMEOUT: u32 = 5;

/// The largest message in bytes; above the largest value of any bucket, with room for headers.
pub const MAX_PAYLOAD: u32 = 1024 * 1024;

/// The largest message of a device; above the largest value that one may store. The account has to say
/// it: nats-server forgets the limits of a user whom an auth callout let in (seen with 2.15.1).
const DEVICE_MAX_PAYLOAD: u32 = 256 * 1024;

/// Public nkeys (`U…`) of those who log in with a static key.
#[derive(Debug, Clone, Default)]
pub struct StaticUsers {
    /// The auth callout's.
    pub auth: Vec<String>,
    /// The operator's, and those of people who inspect the buckets.
    pub platform: Vec<String>,
    /// For events and requests of the server itself.
    pub system: Vec<String>,
    /// The auth callout's second login, in the system account: it may find connections of devices and
    /// close them, see [`SystemBus`](crate::SystemBus).
    pub enforcer: Vec<String>,
    /// Devices that log in with a static key, where there is no auth callout.
    pub devices: Vec<(DeviceId, String)>,
}

/// The auth callout, as the server knows it: public keys only.
///
/// The server takes up no change of these while it runs, and refuses the whole reload if one is
/// tried: another issuer or xkey means restarting it.
#[derive(Debug, Clone)]
pub struct CalloutSettings {
    /// Public account nkey (`A…`) whose signature on answers and users the server trusts.
    pub issuer: String,
    /// Public curve key (`X…`) to which requests are sealed.
    pub xkey: String,
}

/// Where and how the server runs.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// `host:port` for clients.
    pub listen: String,
    /// The server's name; also in its events.
    pub name: String,
    /// Where JetStream keeps its files.
    pub store_dir: PathBuf,
    /// Who logs in with a static key.
    pub users: StaticUsers,
    /// Who decides about devices; where there is none, only static keys are let in.
    pub callout: Option<CalloutSettings>,
}

/// Servers that are one bus.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The cluster's name, the same on all servers.
    pub name: String,
    /// `host:port` for the other servers. Nobody else may reach it: it is not asked who they are.
    pub listen: String,
    /// `host:port` of all servers of the cluster; its own may be among them.
    pub routes: Vec<String>,
}

/// The configuration of one server of a cluster, as text for a file.
pub fn render_in(cluster: &ClusterSettings, settings: &ServerSettings) -> String {
    let mut document = document(settings);
    let route = |at: &String| format!("nats-route://{at}");
    document["cluster"] = json!({
        "name": cluster.name,
        "listen": cluster.listen,
        "routes": cluster.routes.iter().map(route).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

/// The configuration, as text for a file.
pub fn render(settings: &ServerSettings) -> String {
    format!("{:#}\n", document(settings))
}

fn document(settings: &ServerSettings) -> Value {
    let mut document = json!({
        "listen": settings.listen,
        "server_name": settings.name,
        "max_control_line": MAX_CONTROL_LINE,
        "max_payload": MAX_PAYLOAD,
        "jetstream": {"store_dir": settings.store_dir},
    });
    let shared = shared(&settings.users, settings.callout.as_ref());
    if let (Some(document), Value::Object(shared)) = (document.as_object_mut(), shared) {
        document.extend(shared);
    }
    document
}

/// The part of the configuration that depends on keys, the same for every server of the bus: who there
/// is, what they may do, and who decides about the others. It can stand in a file that a server's
/// configuration includes.
pub fn shared(users: &StaticUsers, callout: Option<&CalloutSettings>) -> Value {
    let mut shared = json!({
        "accounts": accounts(users),
        "system_account": account::SYS,
    });
    if let Some(callout) = callout {
        shared["authorization"] = authorization(callout, users);
    }
    shared
}

/// The authorization block, the same wherever the server runs.
pub fn authorization(callout: &CalloutSettings, users: &StaticUsers) -> Value {
    json!({
        "timeout": AUTHORIZATION_TIMEOUT,
        "auth_callout": {
            "issuer": callout.issuer,
            "account": account::AUTH,
            "auth_users": users.auth,
            "xkey": callout.xkey,
            // Without it every login asks the callout, and the operator is locked out with it.
            "allowed_accounts": [account::DEVICES],
        },
    })
}

/// The accounts block, the same wherever the server runs.
pub fn accounts(users: &StaticUsers) -> Value {
    let plain = |keys: &[String]| {
        keys.iter()
            .map(|key| json!({"nkey": key}))
            .collect::<Vec<_>>()
    };
    let devices: Vec<_> = users
        .devices
        .iter()
        .map(|(id, key)| device_user(id, key))
        .collect();
    let mut system = plain(&users.system);
    let enforcer = |key| json!({"nkey": key, "permissions": system::permissions()});
    system.extend(users.enforcer.iter().map(enforcer));
    json!({
        account::AUTH: {"users": plain(&users.auth)},
        account::SYS: {"users": system},
        account::PLATFORM: {
            "jetstream": "enabled",
            "users": plain(&users.platform),
            "exports": account::platform_exports(),
        },
        account::DEVICES: {
            "users": devices,
            "imports": account::device_imports(),
            "limits": {"max_subs": MAX_SUBSCRIPTIONS, "max_payload": DEVICE_MAX_PAYLOAD},
        },
    })
}

fn device_user(id: &DeviceId, key: &str) -> Value {
    let permissions = Permissions::of_device(id);
    json!({
        "nkey": key,
        "permissions": {
            "publish": {"allow": permissions.publish},
            "subscribe": {"allow": permissions.subscribe},
        },
    })
}
