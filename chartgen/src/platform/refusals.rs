//! Values that contradict each other, each with what to do.

use chartgen::{Chart, Cond, v};

use fleet_keys::identity::ADMINISTRATOR_NAME;

use super::names;
use super::values::Values;

pub(super) fn refusals(chart: Chart<Values>) -> Chart<Values> {
    bus(devices(openbao(zitadel(chart))))
}

fn bus(chart: Chart<Values>) -> Chart<Values> {
    let on = || Cond::is(v!(Values, nats.enabled));
    let clustered = || Cond::is(v!(Values, nats.config.cluster.enabled));
    let copies = |more_than| Cond::more_than(v!(Values, operator.nats.stream_replicas), more_than);
    let servers = |more_than| Cond::more_than(v!(Values, nats.config.cluster.replicas), more_than);
    let ours = |url| Cond::equals(url, names::NATS_URL);
    chart
        .refuse(
            (!on()).and(
                ours(v!(Values, operator.nats.url)).or(ours(v!(Values, auth.nats.url))),
            ),
            "nats.enabled is false, and nobody would find the bus that is not installed: set \
             operator.nats.url and auth.nats.url to your own bus",
        )
        .refuse(
            on().and(copies(1)).and(!clustered()),
            "one server cannot keep several copies of a stream: set nats.config.cluster.enabled, or \
             operator.nats.streamReplicas to 1",
        )
        .refuse(
            on().and(clustered()).and(!servers(2)),
            "servers decide by majority, so fewer than three are no safer than one: set \
             nats.config.cluster.replicas to 3 or 5",
        )
        .refuse(
            on().and(clustered()).and(copies(3)).and(!servers(4)),
            "there are more copies of a stream than servers: set operator.nats.streamReplicas to 3, or \
             nats.config.cluster.replicas to 5",
        )
        .refuse(
            on().and(!Cond::is(v!(Values, nats.config.jetstream.enabled))),
            "the platform keeps all that devices are told in streams: leave \
             nats.config.jetstream.enabled on",
        )
        .refuse(
            on().and(!Cond::is(v!(
                Values,
                nats.config.jetstream.memory_store.enabled
            ))),
            "heartbeats are a stream in memory: leave nats.config.jetstream.memoryStore.enabled on",
        )
}

fn devices(chart: Chart<Values>) -> Chart<Values> {
    let told = Cond::is(v!(Values, auth.devices.nats_url));
    let enrol = Cond::is(v!(Values, auth.enrolment.enabled));
    let inside = Cond::equals(v!(Values, auth.nats.url), names::NATS_URL);
    chart.refuse(
        enrol.and(inside).and(!told),
        "devices that join would be told where the bus is inside of the cluster: set auth.devices.natsUrl \
         to the address at which they reach it",
    )
}

fn openbao(chart: Chart<Values>) -> Chart<Values> {
    let address = Cond::equals(v!(Values, auth.openbao.address), names::OPENBAO_URL);
    chart.refuse(
        (!Cond::is(v!(Values, openbao.enabled))).and(address),
        "openbao.enabled is false, and nobody would find the OpenBao that is not installed: set \
         auth.openbao.address to your own, and auth.openbao.ca.name to the Secret with its authority",
    )
}

fn zitadel(chart: Chart<Values>) -> Chart<Values> {
    let on = || Cond::is(v!(Values, zitadel.enabled));
    let domain = v!(Values, zitadel.zitadel.configmap_config.ExternalDomain);
    let set_up = || Cond::is(v!(Values, auth.zitadel_job.enabled));
    let ours = Cond::equals(v!(Values, auth.oidc.url), names::ZITADEL_URL);
    let its_token = Cond::equals(v!(Values, auth.oidc.setup.token.name), ADMINISTRATOR_NAME);
    let asked = || {
        Cond::any([
            v!(Values, auth.callout.enabled),
            v!(Values, auth.enrolment.enabled),
            v!(Values, auth.zitadel_job.enabled),
        ])
    };
    let no_issuer = asked().and(!Cond::is(v!(Values, auth.oidc.issuer)));
    chart
        .refuse(
            on().and(!Cond::is(domain)),
            "Zitadel needs a host that people and devices know it by: set \
             zitadel.zitadel.configmapConfig.ExternalDomain, such as id.example.com, and make the Secret \
             that the README names; or set zitadel.enabled to false for a provider of your own",
        )
        .refuse(
            (!on()).and(no_issuer),
            "zitadel.enabled is false, and nobody would know your own provider: set auth.oidc.issuer",
        )
        .refuse(
            (!on()).and(asked()).and(ours),
            "zitadel.enabled is false, and nobody would find the Zitadel that is not installed: set \
             auth.oidc.url to where your own provider is reached, or to \"\" for its issuer's address",
        )
        .refuse(
            (!on()).and(set_up()).and(its_token),
            "zitadel.enabled is false, and nobody would make the token that auth.zitadelJob needs: set \
             auth.zitadelJob.enabled to false, auth.oidc.project and auth.oidc.organisation; or, where a \
             Zitadel of your own shall be set up, auth.oidc.setup.token.name to a Secret with an \
             administrator's token",
        )
}
