//! What programs have to reach other servers: the certificates of their authorities, and the token for `OpenBao`.

use chartgen::{Cond, Document, v};
use fleet_keys::catalogue::OPENBAO_AUDIENCE;

use super::values::Values;
use crate::workload::{Authority, Mounted, Program, Source};

pub(super) const OIDC_CA: Mounted = Mounted::secret("oidc-ca", "/etc/fleet/oidc-ca", "ca.crt");
pub(super) const BAO_CA: Mounted = Mounted::secret("openbao-ca", "/etc/fleet/openbao-ca", "ca.crt");
/// By which the pod logs in at `OpenBao`: the account's own token would be worth as much at the API server as
/// here.
pub(super) const BAO_TOKEN: Mounted = Mounted {
    volume: "openbao-token",
    folder: "/var/run/secrets/openbao",
    file: "token",
    source: Source::Token(OPENBAO_AUDIENCE),
};

/// The identity provider's authority.
pub(super) fn oidc_ca() -> Authority<Values> {
    Authority {
        file: OIDC_CA,
        flag: "oidc-ca-file",
        name: v!(Values, oidc.ca.name),
        key: v!(Values, oidc.ca.key),
    }
}

/// The authority of `OpenBao`.
pub(super) fn openbao_ca() -> Authority<Values> {
    Authority {
        file: BAO_CA,
        flag: "bao-ca-file",
        name: v!(Values, openbao.ca.name),
        key: v!(Values, openbao.ca.key),
    }
}

/// Fills in, in the spec of a pod, the files by which it reaches `OpenBao`. One outside of the cluster asks the
/// API server about a token with that token, so it has to be one for both.
pub(super) fn openbao(spec: Document, program: Program) -> Document {
    let external = Cond::is(v!(Values, openbao.external));
    let spec = BAO_TOKEN.for_api_server_when(spec, &external);
    openbao_ca().taken(spec, program)
}
