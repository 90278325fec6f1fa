//! The Job that sets Zitadel up and tells the others.

use chartgen::{Cond, Document, Expr, v};

use super::identity::{ISSUER, ORGANISATION};
use super::servers::{OIDC_CA, oidc_ca};
use super::values::Values;
use super::{ZITADEL, labelling};
use crate::workload::overlay::{self, Arguments, container};
use crate::workload::pod::Shape;
use crate::workload::{Mounted, pod_refs};

/// Of an administrator: nobody else has it.
const TOKEN: Mounted = Mounted::secret("administrator", "/etc/fleet/administrator", "token");

/// Its pod waits for Zitadel's own set-up to make the administrator's token, then for Zitadel to answer.
pub(super) fn job() -> Document {
    let shape = Shape {
        program: ZITADEL,
        args: vec![
            "provision".to_owned(),
            "zitadel".to_owned(),
            TOKEN.flag("idp-token-file"),
        ],
        env: vec![ISSUER.variable()],
        ports: Vec::new(),
        files: &[TOKEN, OIDC_CA],
    };
    let base = Document::new(&shape.job());
    let refs = pod_refs!(Values, zitadel_job);
    overlay::job(base, &labelling(ZITADEL), &refs, arguments())
        .within("/spec/template/spec", files)
        .document_when(v!(Values, zitadel_job.enabled))
}

fn arguments() -> Arguments {
    let enrols = || Cond::is(v!(Values, enrolment.enabled));
    let arguments = ORGANISATION.argument(ISSUER.argument(Arguments::default()));
    arguments
        .flag_when(
            !Cond::is(v!(Values, oidc.organisation)),
            "organisation-name",
            v!(Values, oidc.setup.organisation),
        )
        .flag("project-name", v!(Values, oidc.setup.project))
        .flag("oidc-role", v!(Values, oidc.role))
        .flag("namespace", Expr::release_namespace())
        .flag("identity-map", v!(Values, oidc.setup.identity_map))
        .flag_when(enrols(), "enrol-token-secret", v!(Values, oidc.token.name))
        .flag_when(enrols(), "enrol-token-entry", v!(Values, oidc.token.key))
        .flag("wait", v!(Values, oidc.setup.wait_seconds))
        .flag_if_set("idp-url", v!(Values, oidc.url))
        .flag_if_set("idp-host", v!(Values, oidc.host))
        .authority(oidc_ca())
}

fn files(spec: Document) -> Document {
    let spec = ISSUER.taken(spec, ZITADEL, v!(Values, oidc.setup.issuer.name));
    let key = container(
        ZITADEL,
        "/env/[name=FLEET_OIDC_ISSUER]/valueFrom/configMapKeyRef/key",
    );
    let spec = spec.bind(&key, v!(Values, oidc.setup.issuer.key));
    let spec = TOKEN.taken_from(
        spec,
        v!(Values, oidc.setup.token.name),
        v!(Values, oidc.setup.token.key),
    );
    oidc_ca().taken(spec, ZITADEL)
}
