//! What Helm prints after an installation.

use std::num::NonZeroU32;

use chartgen::{Cond, Expr, Notes, text, v};
use fleet_keys::catalogue::{ACCOUNTS_ENTRY, PUBLIC_NAME, seal_secret};

use super::names;
use super::values::Values;

pub(super) fn notes() -> Notes {
    let get = |what: &str| {
        text![
            format!("  kubectl get {what} --namespace "),
            Expr::release_namespace()
        ]
    };
    Notes::new()
        .text("The platform is installed. Its pods wait for keys, and start by themselves once these are there:")
        .line(get(
            "secrets,configmaps --selector app.kubernetes.io/part-of=fleet-platform",
        ))
        .text("\nSee how it does:")
        .line(get("pods"))
        .text("  kubectl get fleetdev        # devices, as their agents connect")
        .when(v!(Values, check.enabled), check)
        .when(v!(Values, openbao.enabled), seal)
        .when(v!(Values, zitadel.enabled), login)
        .when(!Cond::is(v!(Values, nats.enabled)), |notes| {
            notes.text(&format!(
                "\nYour own bus has to include `{ACCOUNTS_ENTRY}` of the ConfigMap {PUBLIC_NAME} in its \
                 configuration."
            ))
        })
}

fn check(notes: Notes) -> Notes {
    notes
        .text("\nTry it, once its pods are ready: a device enrols, runs a container in memory, and leaves.")
        .line(text![
            "  helm test ",
            Expr::release_name(),
            " --namespace ",
            Expr::release_namespace()
        ])
}

fn seal(notes: Notes) -> Notes {
    let secret = seal_secret(NonZeroU32::MIN);
    notes
        .text("\nWithout the key that unseals OpenBao all that it keeps is lost, also in backups. Keep a copy, off")
        .text("the cluster and away from the backups:")
        .line(text![
            format!("  kubectl get secret {secret} --output json --namespace "),
            Expr::release_namespace()
        ])
}

fn login(notes: Notes) -> Notes {
    notes.text("").line(text![
        "People and devices log in at ",
        v!(Values, zitadel.zitadel.configmap_config.ExternalDomain),
        format!(
            ", once an ingress or a route of yours leads from there to the Service {}.",
            names::ZITADEL
        )
    ])
}
