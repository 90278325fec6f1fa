//! The auth callout's Deployment.

use chartgen::{Document, Expr, v};

use super::identity::{self, AUDIENCE, Known, ORGANISATION, variables};
use super::servers::{BAO_CA, BAO_TOKEN, OIDC_CA, oidc_ca, openbao, openbao_ca};
use super::values::Values;
use super::{CALLOUT, labelling};
use crate::workload::overlay::{self, Arguments};
use crate::workload::pod::Shape;
use crate::workload::{Authority, Mounted, Source, deployment_refs};

const NATS: Mounted = Mounted::secret("nats", "/etc/fleet/nats", "seed");
const ENFORCER: Mounted = Mounted::secret("enforcer", "/etc/fleet/enforcer", "seed");
const ISSUER: Mounted = Mounted::folder("issuer", "/etc/fleet/issuer");
const XKEY: Mounted = Mounted::folder("xkey", "/etc/fleet/xkey");
/// In which the identity provider's keys outlive a restart of the container.
const CACHE: Mounted = Mounted {
    volume: "cache",
    folder: "/var/cache/fleet",
    file: "keys.json",
    source: Source::Empty,
};
const NATS_CA: Mounted = Mounted::secret("nats-ca", "/etc/fleet/nats-ca", "ca.crt");

pub(super) fn document() -> Document {
    let shape = Shape {
        program: CALLOUT,
        args: vec![
            "callout".to_owned(),
            NATS.flag("nats-seed-file"),
            ENFORCER.flag("nats-system-seed-file"),
            CACHE.flag("keys-cache-file"),
            BAO_TOKEN.flag("bao-token-file"),
        ],
        env: variables(&KNOWN).collect(),
        ports: Vec::new(),
        files: &[
            NATS, ENFORCER, ISSUER, XKEY, CACHE, BAO_TOKEN, NATS_CA, OIDC_CA, BAO_CA,
        ],
    };
    let base = Document::new(&shape.deployment());
    let refs = deployment_refs!(Values, callout);
    overlay::deployment(base, &labelling(CALLOUT), &refs, arguments())
        .within("/spec/template/spec", secrets)
        .document_when(v!(Values, callout.enabled))
}

/// What it has to know of the identity provider.
const KNOWN: [Known; 3] = [identity::ISSUER, AUDIENCE, ORGANISATION];

fn arguments() -> Arguments {
    identity::arguments(&KNOWN, Arguments::default())
        .flag("nats-url", v!(Values, nats.url))
        .each(
            "issuer-seed-file",
            &format!("{}/", ISSUER.path()),
            v!(Values, keys.issuer.entries),
        )
        .each(
            "xkey-seed-file",
            &format!("{}/", XKEY.path()),
            v!(Values, keys.xkey.entries),
        )
        .flag("oidc-role", v!(Values, oidc.role))
        .flag("bao-address", v!(Values, openbao.address))
        .flag("on-clone", v!(Values, logins.on_clone))
        .flag("max-lifetime", v!(Values, logins.max_lifetime_seconds))
        .flag("policy-max-age", v!(Values, logins.policy_max_age_seconds))
        .flag("login-burst", v!(Values, logins.burst))
        .flag("logins-per-minute", v!(Values, logins.per_minute))
        .flag("failure-burst", v!(Values, logins.failure_burst))
        .flag(
            "failures-per-minute",
            v!(Values, logins.failures_per_minute),
        )
        .flag("metrics-addr", metrics_addr())
        .flag("log-format", v!(Values, log.format))
        .flag_if_set("idp-url", v!(Values, oidc.url))
        .flag_if_set("idp-host", v!(Values, oidc.host))
        .flag_if_set("jwks-url", v!(Values, oidc.jwks_url))
        .authority(nats_ca())
        .authority(oidc_ca())
        .authority(openbao_ca())
}

/// All of the pod's addresses.
pub(super) fn metrics_addr() -> Expr {
    Expr::concat([Expr::text("0.0.0.0:"), v!(Values, metrics.port).into()])
}

/// The authority of the bus.
fn nats_ca() -> Authority<Values> {
    Authority {
        file: NATS_CA,
        flag: "nats-ca-file",
        name: v!(Values, nats.ca.name),
        key: v!(Values, nats.ca.key),
    }
}

fn secrets(spec: Document) -> Document {
    let spec = identity::taken(&KNOWN, spec, CALLOUT);
    let spec = NATS.taken_from(
        spec,
        v!(Values, keys.callout.name),
        v!(Values, keys.callout.key),
    );
    let spec = ENFORCER.taken_from(
        spec,
        v!(Values, keys.enforcer.name),
        v!(Values, keys.enforcer.key),
    );
    let spec = ISSUER.taken_whole(spec, v!(Values, keys.issuer.name));
    let spec = XKEY.taken_whole(spec, v!(Values, keys.xkey.name));
    let spec = nats_ca().taken(spec, CALLOUT);
    let spec = oidc_ca().taken(spec, CALLOUT);
    openbao(spec, CALLOUT)
}
