//! What Helm prints after an installation.

use chartgen::{Cond, Expr, Notes, helpers, v};

use super::values::Values;

pub(super) fn notes() -> Notes {
    let notes = Notes::new()
        .line(Expr::concat([
            "The operator is installed as ".into(),
            helpers::fullname(),
            ".".into(),
        ]))
        .text("\nIt starts when its Secrets are there. If they are not yet:")
        .text("  fleet keys create ./keys")
        .line(secret(
            v!(Values, signing.existing_secret.name).into(),
            v!(Values, signing.existing_secret.key).into(),
            "manifest.key",
        ))
        .line(secret(
            v!(Values, nats.existing_secret.name).into(),
            v!(Values, nats.existing_secret.key).into(),
            "operator.nk",
        ))
        .text("\nSee how it does:")
        .line(about_deployment("rollout status"))
        .line(about_deployment("logs"))
        .text("  kubectl get fleetdev        # devices, as their agents connect");
    warnings(notes)
}

fn warnings(notes: Notes) -> Notes {
    let only_local = Cond::equals(v!(Values, image.registry), "localhost")
        .and(!Cond::is(v!(Values, global.image_registry)));
    notes
        .when(!Cond::is(v!(Values, crds.enabled)), |notes| {
            notes.text(
                "\nThe custom resource definitions are not part of this release: install the chart \
                 fleet-crds.",
            )
        })
        .when(!Cond::is(v!(Values, crds.keep)), |notes| {
            notes.text(
                "\nWARNING: crds.keep is off. Uninstalling this release deletes every Deployment \
                 and Device.",
            )
        })
        .when(only_local, |notes| {
            notes.text(
                "\nThe image is taken from `localhost`: nodes must have it already. Otherwise push \
                 it to a registry and set image.registry.",
            )
        })
}

/// The command that makes a Secret of a file that `fleet keys create` wrote.
fn secret(name: Expr, key: Expr, file: &str) -> Expr {
    Expr::concat([
        "  kubectl create secret generic ".into(),
        name,
        " --from-file=".into(),
        key,
        format!("=./keys/{file} --namespace ").into(),
        Expr::release_namespace(),
    ])
}

fn about_deployment(command: &str) -> Expr {
    Expr::concat([
        format!("  kubectl {command} deployment/").into(),
        helpers::fullname(),
        " --namespace ".into(),
        Expr::release_namespace(),
    ])
}
