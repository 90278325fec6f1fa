//! The chart `fleet-auth`.

mod callout;
mod dashboard;
mod defaults;
mod enrolling;
mod enrolment;
mod identity;
mod jobs;
mod masterkey;
mod monitoring;
mod notes;
mod policies;
mod rbac;
mod servers;
mod setup;
mod values;
mod zitadel;

use chartgen::tree::Part;
use chartgen::{Chart, Cond, RenderedChart, Template, v};

use crate::hub::{self, About};
use crate::workload::{Labelling, Program};
use crate::{ChartsError, Release};

pub use enrolling::{
    Approval, ApprovalRule, Devices, EnrolmentApi, EnrolmentService, EnrolmentTokens, ServiceType,
};
pub use setup::{AdministratorToken, IssuerMap, Setup};
pub use values::{
    ExistingConfigMap, KeyRing, Keys, Logins, Nats, NetworkPolicy, Oidc, OnClone, OpenBao, Rbac,
    Values,
};

/// Answers the bus who may log in.
const CALLOUT: Program = Program::component("callout");
/// Lets devices join.
const ENROLMENT: Program = Program::component("enrolment");
/// Makes the platform's keys.
const SECRETS: Program = Program::component("secrets");
/// Makes Zitadel's master key, before everything else.
const MASTERKEY: Program = Program::component("masterkey");
/// Sets up `OpenBao`.
const OPENBAO: Program = Program::component("openbao");
/// Sets up Zitadel.
const ZITADEL: Program = Program::component("zitadel");

/// The labelling of a program's objects.
fn labelling(program: Program) -> Labelling {
    Labelling {
        program,
        annotations: v!(Values, common_annotations).into(),
    }
}

/// The chart of a release.
pub(crate) fn chart(release: &Release) -> Result<RenderedChart, ChartsError> {
    let about = About {
        name: "fleet-auth",
        description: "Who may use the fleet's bus, and how devices join: the auth callout and the \
                      enrolment service of fleet-platform.",
        own_images: vec![release.image(&Values::default().image)],
        ..About::default()
    };
    let chart = Chart::<Values>::new(hub::meta(release, &about)?)
        .as_subchart()
        .readme(include_str!("README.md.j2"))
        .notes(notes::notes())
        .template("callout.yaml", callout::document())
        .template("enrolment.yaml", enrolment::deployment())
        .template("enrolment-service.yaml", enrolment::service())
        .template("enrolment-approval.yaml", enrolment::approval())
        .template("enrolment-namespace.yaml", enrolment::token_namespace())
        .template("job-secrets.yaml", jobs::secrets())
        .template("job-masterkey.yaml", masterkey::template())
        .template("job-openbao.yaml", jobs::openbao())
        .template("job-zitadel.yaml", zitadel::job())
        .template("serviceaccounts.yaml", rbac::service_accounts())
        .template("rbac-enrolment.yaml", rbac::enrolment())
        .template("rbac-secrets.yaml", rbac::secrets())
        .template("rbac-openbao.yaml", rbac::token_reviews())
        .template("rbac-zitadel.yaml", rbac::zitadel())
        .template("poddisruptionbudgets.yaml", policies::disruption_budgets())
        .template("networkpolicies.yaml", policies::network_policies())
        .template("services-metrics.yaml", monitoring::services())
        .template("servicemonitors.yaml", monitoring::service_monitors())
        .template("prometheusrules.yaml", monitoring::prometheus_rules())
        .template("dashboard.yaml", dashboard::config_map())
        .file(dashboard::DASHBOARD.path(), dashboard::DASHBOARD.text())
        .template(
            "extra-objects.yaml",
            Template::from(Part::splice(v!(Values, extra_objects))),
        );
    Ok(refusals(chart).build()?)
}

/// What contradicts itself or is not enough, each with what to do.
fn refusals(chart: Chart<Values>) -> Chart<Values> {
    let is = |value| Cond::is(value);
    let any_program = || is(v!(Values, callout.enabled)).or(is(v!(Values, enrolment.enabled)));
    // What the Job finds out nobody has to know before.
    let untold = || any_program().and(!is(v!(Values, zitadel_job.enabled)));
    let no_issuer = || !is(v!(Values, oidc.issuer));
    chart
        .refuse(
            is(v!(Values, zitadel_job.enabled))
                .and(no_issuer())
                .and(!is(v!(Values, oidc.setup.issuer.name))),
            "oidc.issuer is empty, and zitadelJob would not know whom to set up: set it to Zitadel's issuer, \
             such as https://id.example",
        )
        .refuse(
            untold().and(no_issuer()),
            "oidc.issuer is empty: set it to the identity provider's issuer, such as \
             https://id.example",
        )
        .refuse(
            untold().and(!is(v!(Values, oidc.project))),
            "oidc.project is empty: set it to the audience of devices' tokens, which is the project's id that \
             `fleet-auth provision zitadel` prints; or set zitadelJob.enabled, which finds it out",
        )
        .refuse(
            untold().and(!is(v!(Values, oidc.organisation))),
            "oidc.organisation is empty: set it to the id of the organisation that devices belong to; or set \
             zitadelJob.enabled, which finds it out",
        )
        .refuse(
            any_program()
                .or(is(v!(Values, openbao_job.enabled)))
                .and(!is(v!(Values, openbao.address))),
            "openbao.address is empty: set it to the https:// address of OpenBao, which keeps what was \
             decided about devices",
        )
        .refuse(
            is(v!(Values, enrolment.enabled)).and(!is(v!(Values, enrolment_api.public_urls))),
            "enrolmentApi.publicUrls is empty: list the https:// URLs by which devices reach the \
             enrolment service",
        )
        .refuse(
            is(v!(Values, oidc.host)).and(!is(v!(Values, oidc.url))),
            "oidc.host needs oidc.url: it is the host to ask for there",
        )
        .refuse(
            is(v!(Values, openbao.external)).and(Cond::equals(
                v!(Values, openbao.kubernetes_host),
                defaults::KUBERNETES,
            )),
            "openbao.external needs openbao.kubernetesHost: the address at which an OpenBao outside of \
             the cluster reaches its API server",
        )
        .refuse(
            is(v!(Values, metrics.service_monitor.enabled))
                .and(!is(v!(Values, metrics.service.enabled))),
            "metrics.serviceMonitor.enabled needs metrics.service.enabled: a ServiceMonitor finds \
             pods through a Service",
        )
}
