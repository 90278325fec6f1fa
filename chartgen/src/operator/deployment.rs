//! The operator's Deployment.

use chartgen::{Document, Expr, helpers, v};

use super::PROGRAM;
use super::metadata::labelling;
use super::values::Values;
use crate::workload::overlay::{self, Arguments};
use crate::workload::pod::{Shape, from_field};
use crate::workload::{Authority, Mounted, deployment_refs};

const SIGNING: Mounted = Mounted::secret("signing", "/etc/fleet/signing", "manifest.key");
const NATS: Mounted = Mounted::secret("nats", "/etc/fleet/nats", "seed");
const NATS_CA: Mounted = Mounted::secret("nats-ca", "/etc/fleet/nats-ca", "ca.crt");

pub(super) fn document() -> Document {
    let shape = Shape {
        program: PROGRAM,
        args: vec![
            "run".to_owned(),
            SIGNING.flag("signing-key-file"),
            NATS.flag("nats-seed-file"),
        ],
        env: vec![
            from_field("FLEET_IDENTITY", "metadata.name"),
            from_field("FLEET_LEASE_NAMESPACE", "metadata.namespace"),
        ],
        ports: Vec::new(),
        files: &[SIGNING, NATS, NATS_CA],
    };
    let base = Document::new(&shape.deployment());
    overlay::deployment(base, &labelling(), &deployment_refs!(Values), arguments())
        .within("/spec/template/spec", secrets)
}

fn arguments() -> Arguments {
    Arguments::default()
        .flag("nats-url", v!(Values, nats.url))
        .flag("stream-replicas", v!(Values, nats.stream_replicas))
        .flag(
            "metrics-addr",
            Expr::concat([Expr::text("0.0.0.0:"), v!(Values, metrics.port).into()]),
        )
        .flag(
            "heartbeat-period",
            v!(Values, devices.heartbeat_period_seconds),
        )
        .flag("unenrolled-labels", v!(Values, devices.unenrolled_labels))
        .flag("lease-name", helpers::fullname())
        .flag(
            "lease-duration",
            v!(Values, leader_election.lease_duration_seconds),
        )
        .flag("log-format", v!(Values, log.format))
        .flag_if_set("stale-after", v!(Values, devices.stale_after_seconds))
        .list_if_set("announced-keys", v!(Values, signing.announced_keys))
        .list_if_set("retired-keys", v!(Values, signing.retired_keys))
        .authority(nats_ca())
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
    let spec = SIGNING.taken_from(
        spec,
        v!(Values, signing.existing_secret.name),
        v!(Values, signing.existing_secret.key),
    );
    let spec = NATS.taken_from(
        spec,
        v!(Values, nats.existing_secret.name),
        v!(Values, nats.existing_secret.key),
    );
    nats_ca().taken(spec, PROGRAM)
}
