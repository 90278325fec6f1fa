//! The values of the platform's chart.

use chartgen::common::{ExistingSecret, Global, Toggle};
use schemars::JsonSchema;
use serde::Serialize;

use super::check::Check;
use super::names;
use super::nats::Nats;
use super::openbao::OpenBao;
use super::zitadel::Zitadel;
use crate::{auth, operator};

/// All of them. Those of parts that are charts of this project are as strict as these charts are; those
/// of other people's charts are typed where they are set here, and open beside it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// Settings shared by the parts.
    pub global: Global,
    /// The operator, by the chart `fleet-operator`.
    pub operator: operator::Values,
    /// Who may use the bus, and how devices join, by the chart `fleet-auth`.
    pub auth: auth::Values,
    /// The bus, by its own chart, `nats`. Any other value of that chart can be set here too.
    pub nats: Nats,
    /// Where decisions about devices are kept, by its own chart, `openbao`. Any other value of that
    /// chart can be set here too.
    pub openbao: OpenBao,
    /// The identity provider, by its own chart, `zitadel`. Any other value of that chart can be set here
    /// too. It needs a database (Postgres) and two Secrets that are there before it.
    pub zitadel: Zitadel,
    /// A `NetworkPolicy` that lets nobody but servers of the bus into the port between them, where
    /// nobody is asked who they are. The other ports of the bus stay open.
    pub routes_policy: Toggle,
    /// What `helm test` does.
    pub check: Check,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            global: Global::default(),
            operator: operator_values(),
            auth: auth_values(),
            nats: Nats::default(),
            openbao: OpenBao::default(),
            zitadel: Zitadel::default(),
            routes_policy: Toggle { enabled: true },
            check: Check::default(),
        }
    }
}

/// The operator's own defaults, but for what its neighbours are called.
fn operator_values() -> operator::Values {
    let mut values = operator::Values {
        // As a part it would be called by its key here.
        name_override: names::OPERATOR.to_owned(),
        fullname_override: names::OPERATOR.to_owned(),
        ..operator::Values::default()
    };
    names::NATS_URL.clone_into(&mut values.nats.url);
    // Every device enrols: none has to be believed without.
    values.devices.unenrolled_labels = operator::UnenrolledLabels::None;
    values
}

/// The same of the services that let devices in.
fn auth_values() -> auth::Values {
    let mut values = auth::Values {
        name_override: names::AUTH.to_owned(),
        fullname_override: names::AUTH.to_owned(),
        ..auth::Values::default()
    };
    names::NATS_URL.clone_into(&mut values.nats.url);
    names::OPENBAO_URL.clone_into(&mut values.openbao.address);
    names::PROVISIONER.clone_into(&mut values.openbao.provisioner_role);
    values.keys.openbao_hosts = vec![names::OPENBAO.to_owned()];
    values.keys.zitadel_masterkey = true;
    values.zitadel_job.enabled = true;
    names::ZITADEL_URL.clone_into(&mut values.oidc.url);
    names::ZITADEL_ISSUER.clone_into(&mut values.oidc.setup.issuer.name);
    values.openbao.ca = ExistingSecret {
        name: names::OPENBAO_TLS.to_owned(),
        key: names::OPENBAO_CA.to_owned(),
    };
    values
}
