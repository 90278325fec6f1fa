//! Values of our own charts.

use serde::Serialize;
use serde_json::Value;

use crate::params::Registry;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    #[serde(skip_serializing_if = "Option::is_none")]
    fullname_override: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crds: Option<Definitions>,
}

#[derive(Serialize)]
struct Definitions {
    enabled: bool,
    keep: bool,
}

#[derive(Serialize)]
struct Mirrored<'a> {
    global: Global<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Global<'a> {
    image_registry: &'a Registry,
}

pub(super) fn definitions() -> Result<Value, serde_json::Error> {
    let crds = Definitions {
        enabled: true,
        keep: true,
    };
    serde_json::to_value(Ours {
        fullname_override: None,
        crds: Some(crds),
    })
}

/// The definitions are another application's: two would take them from each other.
pub(super) fn operator() -> Result<Value, serde_json::Error> {
    let crds = Definitions {
        enabled: false,
        keep: true,
    };
    serde_json::to_value(Ours {
        fullname_override: Some("fleet-operator"),
        crds: Some(crds),
    })
}

pub(super) fn mirrored(registry: &Registry) -> Result<Value, serde_json::Error> {
    serde_json::to_value(Mirrored {
        global: Global {
            image_registry: registry,
        },
    })
}
