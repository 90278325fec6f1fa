//! What the services know of the identity provider: by values, or by the `ConfigMap` that `zitadelJob` writes.
//!
//! A pod whose `ConfigMap` or entry is not there yet waits, and starts by itself when it is.

use chartgen::{Cond, Document, Expr, ValueRef, v};
use fleet_keys::identity::{ISSUER_ENTRY, ORGANISATION_ENTRY, PROJECT_ENTRY};
use k8s_openapi::api::core::v1::{ConfigMapKeySelector, EnvVar, EnvVarSource};

use super::values::Values;
use crate::workload::Program;
use crate::workload::overlay::{Arguments, container};

/// One thing to know.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// The program's argument.
    flag: &'static str,
    /// The same as a variable.
    variable: &'static str,
    /// The value, which counts more.
    value: fn() -> ValueRef<Values>,
    /// The entry of the `ConfigMap`.
    entry: &'static str,
}

pub(super) const ISSUER: Known = Known {
    flag: "oidc-issuer",
    variable: "FLEET_OIDC_ISSUER",
    value: || v!(Values, oidc.issuer),
    entry: ISSUER_ENTRY,
};
pub(super) const ORGANISATION: Known = Known {
    flag: "oidc-organisation",
    variable: "FLEET_OIDC_ORGANISATION",
    value: || v!(Values, oidc.organisation),
    entry: ORGANISATION_ENTRY,
};
pub(super) const PROJECT: Known = Known {
    flag: "oidc-project",
    variable: "FLEET_OIDC_PROJECT",
    value: || v!(Values, oidc.project),
    entry: PROJECT_ENTRY,
};
/// Whoever judges tokens calls the project an audience.
pub(super) const AUDIENCE: Known = Known {
    flag: "oidc-audience",
    variable: "FLEET_OIDC_AUDIENCE",
    ..PROJECT
};

/// A variable from an entry of a `ConfigMap`, whose name the overlay fills in.
pub(super) fn from_config_map(name: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector {
                name: String::new(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

impl Known {
    /// The argument, where the value is set.
    pub(super) fn argument(self, arguments: Arguments) -> Arguments {
        arguments.flag_if_set(self.flag, (self.value)())
    }

    /// The variable.
    pub(super) fn variable(self) -> EnvVar {
        from_config_map(self.variable, self.entry)
    }

    /// Takes the variable, in a pod's spec, from this `ConfigMap`, where the value is not set.
    #[track_caller]
    pub(super) fn taken(self, spec: Document, program: Program, map: impl Into<Expr>) -> Document {
        let variable = container(program, &format!("/env/[name={}]", self.variable));
        spec.bind(&format!("{variable}/valueFrom/configMapKeyRef/name"), map)
            .when(&variable, !Cond::is((self.value)()))
    }
}

/// The arguments for all of them.
pub(super) fn arguments(known: &[Known], arguments: Arguments) -> Arguments {
    known.iter().fold(arguments, |all, one| one.argument(all))
}

/// The variables for all of them.
pub(super) fn variables(known: &[Known]) -> impl Iterator<Item = EnvVar> {
    known.iter().map(|one| one.variable())
}

/// All of them from the `ConfigMap` that `zitadelJob` writes.
pub(super) fn taken(known: &[Known], spec: Document, program: Program) -> Document {
    known.iter().fold(spec, |spec, one| {
        one.taken(spec, program, v!(Values, oidc.setup.identity_map))
    })
}
