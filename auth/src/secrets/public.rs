//! What others must know of all keys: the servers of the bus, and devices that enrol.

use std::collections::BTreeMap;

use fleet_bus::account;
use fleet_bus::server::{self, CalloutSettings, StaticUsers};
use serde_json::json;

use super::catalogue::Name;
use super::ring::Ring;

/// The `ConfigMap`. Public halves are no secret, and whoever may only read them must not need the
/// right to read Secrets.
pub const PUBLIC_NAME: &str = "fleet-public-keys";
/// The entry with the issuer that servers of the bus are to believe.
pub const ISSUER_ENTRY: &str = "issuer";
/// The entry with the curve key that they are to seal for.
pub const XKEY_ENTRY: &str = "xkey";
/// The entry with the keys whose manifests devices follow, separated by commas.
pub const MANIFEST_KEYS_ENTRY: &str = "manifest-keys";
/// The entry with the accounts of the bus, to be included in a server's configuration.
pub const ACCOUNTS_ENTRY: &str = "accounts.conf";

/// The keys of each name.
pub(super) type Rings = BTreeMap<Name, Ring>;

/// The entries of the `ConfigMap`.
pub(super) fn entries(rings: &Rings) -> BTreeMap<String, String> {
    let known = |name: Name| -> Vec<String> {
        let ring = rings.get(&name).into_iter();
        let keys = ring.flat_map(Ring::known);
        keys.map(|key| key.public().to_owned()).collect()
    };
    // A server names one issuer and one xkey; the callout is who knows several.
    let current = |name: Name| known(name).into_iter().next().unwrap_or_default();
    let callout = CalloutSettings {
        issuer: current(Name::Issuer),
        xkey: current(Name::Xkey),
    };
    let users = StaticUsers {
        auth: known(Name::Callout),
        platform: known(Name::Operator),
        system: known(Name::System),
        enforcer: known(Name::Enforcer),
        ..StaticUsers::default()
    };
    let accounts = json!({
        "accounts": server::accounts(&users),
        "system_account": account::SYS,
        "authorization": server::authorization(&callout, &users),
    });
    let entry = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        entry(MANIFEST_KEYS_ENTRY, known(Name::Manifest).join(",")),
        entry(ACCOUNTS_ENTRY, format!("{accounts:#}\n")),
        entry(ISSUER_ENTRY, callout.issuer),
        entry(XKEY_ENTRY, callout.xkey),
    ])
}
