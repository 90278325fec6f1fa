//! The values about how Zitadel is set up.

use fleet_keys::identity::{ADMINISTRATOR_ENTRY, ADMINISTRATOR_NAME, ISSUER_ENTRY, MAP_NAME};
use schemars::JsonSchema;
use serde::Serialize;

use crate::workload::values::OBJECT_NAME;

/// How `zitadelJob` sets Zitadel up, and where it keeps what came of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setup {
    /// The `ConfigMap` that it keeps issuer, ids and client ids in. The services take from it what is empty
    /// above, and wait until it is there.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 253))]
    pub identity_map: String,
    /// The name of the organisation that owns the project and its devices, where `oidc.organisation` is empty.
    /// It is made if it is not there.
    #[schemars(length(min = 1))]
    pub organisation: String,
    /// The name of the project.
    #[schemars(length(min = 1))]
    pub project: String,
    /// The Secret with an access token of an administrator: of the instance, or with `oidc.organisation`, of that
    /// organisation. Zitadel's own chart makes one of this name at its first installation.
    pub token: AdministratorToken,
    /// The `ConfigMap` with the issuer, where `oidc.issuer` is empty. The chart of the platform makes one for the
    /// Zitadel that it brings.
    pub issuer: IssuerMap,
    /// Seconds for which a pod waits for a Zitadel that is not there yet, before it begins anew.
    #[schemars(range(max = 86_400))]
    pub wait_seconds: u32,
}

/// The Secret with an administrator's token.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdministratorToken {
    /// Name of a Secret in the namespace of the release.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// Its entry.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// The `ConfigMap` with the issuer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerMap {
    /// Name of a `ConfigMap` in the namespace of the release. Empty for none.
    #[schemars(regex(pattern = OBJECT_NAME), length(max = 253))]
    pub name: String,
    /// Its entry.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            identity_map: MAP_NAME.to_owned(),
            organisation: "fleet".to_owned(),
            project: "fleet".to_owned(),
            token: AdministratorToken {
                name: ADMINISTRATOR_NAME.to_owned(),
                key: ADMINISTRATOR_ENTRY.to_owned(),
            },
            issuer: IssuerMap {
                name: String::new(),
                key: ISSUER_ENTRY.to_owned(),
            },
            wait_seconds: 600,
        }
    }
}
