//! What others must know of all keys: the servers of the bus, and devices that enrol.

use std::collections::BTreeMap;

use fleet_bus::server::{self, CalloutSettings, StaticUsers};

use super::catalogue::{
    ACCOUNTS_ENTRY, AUTHORITY_ENTRY, ISSUER_ENTRY, MANIFEST_KEYS_ENTRY, Name, XKEY_ENTRY,
};
use super::ring::Ring;

/// The keys of each name.
pub(super) type Rings = BTreeMap<Name, Ring>;

/// The entries of the `ConfigMap`.
pub(super) fn entries(rings: &Rings, authority: &str) -> BTreeMap<String, String> {
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
    let accounts = server::shared(&users, Some(&callout));
    let entry = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        entry(MANIFEST_KEYS_ENTRY, known(Name::Manifest).join(",")),
        entry(ACCOUNTS_ENTRY, format!("{accounts:#}\n")),
        entry(AUTHORITY_ENTRY, authority.to_owned()),
        entry(ISSUER_ENTRY, callout.issuer),
        entry(XKEY_ENTRY, callout.xkey),
    ])
}
