//! What Helm prints after an installation.

use chartgen::{Cond, Expr, Notes, v};

use super::values::Values;
use super::{CALLOUT, ENROLMENT};

pub(super) fn notes() -> Notes {
    let notes = Notes::new()
        .line(Expr::concat([
            "The auth callout is installed as ".into(),
            CALLOUT.fullname(),
            ", the enrolment service as ".into(),
            ENROLMENT.fullname(),
            ".".into(),
        ]))
        .text("\nPods start when the Secrets are there that they name. See how they do:")
        .line(pods())
        .text("\nThe bus has to ask the callout. Its accounts are in the entry accounts.conf of:")
        .line(Expr::concat([
            "  kubectl get configmap ".into(),
            v!(Values, keys.manifests.name).into(),
            " --namespace ".into(),
            Expr::release_namespace(),
        ]))
        .text("\nLet a first device ask to join, and see who asks:")
        .line(Expr::concat([
            "  fleet-auth token create --token-namespace ".into(),
            v!(Values, enrolment_tokens.namespace).into(),
        ]))
        .text("  fleet get enrolments");
    notes.when(
        Cond::equals(v!(Values, image.registry), "localhost")
            .and(!Cond::is(v!(Values, global.image_registry))),
        |notes| {
            notes.text(
                "\nThe image is taken from `localhost`: nodes must have it already. Otherwise push \
                 it to a registry and set image.registry.",
            )
        },
    )
}

fn pods() -> Expr {
    Expr::concat([
        "  kubectl get pods --selector app.kubernetes.io/instance=".into(),
        Expr::release_name(),
        " --namespace ".into(),
        Expr::release_namespace(),
    ])
}
