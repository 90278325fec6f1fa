//! The chart `fleet-operator`.

mod dashboard;
mod defaults;
mod deployment;
mod metadata;
mod monitoring;
mod notes;
pub mod people;
mod policies;
mod rbac;
mod values;

use chartgen::tree::Part;
use chartgen::{Chart, Cond, RenderedChart, Template, v};

use crate::crds::{self, Places};
use crate::hub::{self, About};
use crate::workload::Program;
use crate::{ChartsError, Release};

pub use values::{UnenrolledLabels, Values};

/// The operator, the chart's only program.
const PROGRAM: Program = Program::only("operator");

/// The chart of a release.
pub(crate) fn chart(release: &Release) -> Result<RenderedChart, ChartsError> {
    let about = About {
        name: "fleet-operator",
        description: "The operator of fleet-platform: runs containers on the devices that a Deployment's \
                      selector matches.",
        operates: &release.crds,
        own_images: vec![release.image(&Values::default().image)],
        ..About::default()
    };
    let chart = Chart::<Values>::new(hub::meta(release, &about)?)
        .as_subchart()
        .readme(include_str!("README.md.j2"))
        .notes(notes::notes())
        .template("deployment.yaml", deployment::document())
        .template("serviceaccount.yaml", rbac::service_account())
        .template("rbac-operator.yaml", rbac::operator())
        .template("rbac-people.yaml", rbac::people())
        .template("rbac-people-bindings.yaml", people::bindings())
        .template("poddisruptionbudget.yaml", policies::disruption_budget())
        .template("networkpolicy.yaml", policies::network_policy())
        .template("service.yaml", monitoring::service())
        .template("servicemonitor.yaml", monitoring::service_monitor())
        .template("prometheusrule.yaml", monitoring::prometheus_rule())
        .template("dashboard.yaml", dashboard::config_map())
        .file(dashboard::DASHBOARD.path(), dashboard::DASHBOARD.text())
        .template("extra-objects.yaml", extra_objects());
    let places = Places {
        enabled: v!(Values, crds.enabled),
        keep: v!(Values, crds.keep),
        annotations: v!(Values, crds.annotations),
    };
    let chart = crds::templates(&release.crds, &places)
        .into_iter()
        .fold(chart, |chart, (name, document)| {
            chart.template(name, document)
        });
    Ok(refusals(chart).build()?)
}

/// Objects of the user's, whose strings are templates.
fn extra_objects() -> Template {
    let objects = Part::splice(v!(Values, extra_objects));
    Template::from(objects)
}

/// What contradicts itself, each with what to do.
fn refusals(chart: Chart<Values>) -> Chart<Values> {
    let named = |name| Cond::is(name);
    chart
        .refuse(
            !named(v!(Values, signing.existing_secret.name)),
            "signing.existingSecret.name is empty: name the Secret with the signing key, which \
             `fleet keys create` makes",
        )
        .refuse(
            !named(v!(Values, nats.existing_secret.name)),
            "nats.existingSecret.name is empty: name the Secret with the operator's nkey seed, \
             which `fleet keys create` makes",
        )
        .refuse(
            people::are_given().and(!Cond::is(v!(Values, rbac.user_roles))),
            "people.cluster and people.namespaces need rbac.userRoles: groups are bound to the roles that it makes",
        )
        .refuse(
            named(v!(Values, metrics.service_monitor.enabled))
                .and(!Cond::is(v!(Values, metrics.service.enabled))),
            "metrics.serviceMonitor.enabled needs metrics.service.enabled: a ServiceMonitor finds \
             pods through a Service",
        )
}
