//! The chart `fleet-platform`: everything that a fleet needs in a cluster, as one release.
//!
//! It brings the charts of this project and those of others, as dependencies in exact versions. What
//! the platform needs of the others' values is set here, typed; nothing of theirs is rewritten. Names
//! are fixed ([`names`]), so that one part finds another. It makes no Secret: pods wait for those that
//! `fleet-auth secrets ensure` and people make.

mod check;
mod context;
mod images;
mod issuer;
pub mod names;
pub mod nats;
mod notes;
pub mod openbao;
pub mod part;
pub mod patch;
mod policies;
mod profiles;
mod refusals;
pub mod upstream;
pub mod values;
pub mod zitadel;

use chartgen::{Chart, Dependency, RenderedChart};

use crate::hub::{self, About};
use crate::{ChartsError, Release};

pub use check::Check;
pub use profiles::{MIRROR, all as profiles};
pub use values::Values;

/// The chart of a release.
pub(crate) fn chart(release: &Release) -> Result<RenderedChart, ChartsError> {
    let others = images::of_others();
    let about = About {
        name: "fleet-platform",
        description: "Fleet-platform as a whole: operator, auth callout, enrolment, bus, OpenBao and \
                      identity provider.",
        operates: &release.crds,
        own_images: images::own(release),
        other_images: &others,
        ..About::default()
    };
    let mut meta = hub::meta(release, &about)?;
    meta.dependencies = vec![
        ours("fleet-operator", "operator", release),
        ours("fleet-auth", "auth", release),
    ];
    let theirs = upstream::ALL.iter().map(upstream::Upstream::dependency);
    meta.dependencies.extend(theirs);
    let chart = Chart::<Values>::new(meta)
        .readme(include_str!("README.md.j2"))
        .notes(notes::notes())
        .template("configmap-issuer.yaml", issuer::config_map())
        .template("networkpolicy-routes.yaml", policies::routes())
        .template("tests/check.yaml", check::pod())
        .template("tests/check-permissions.yaml", check::permissions())
        .file("images.txt", images::list(release))
        .helmignore(["*.orig", ".git/"]);
    let chart = profiles::all().into_iter().fold(chart, Chart::profile);
    Ok(refusals::refusals(chart).build()?)
}

/// A chart of this project, from the folder beside. Its key is short, for people write it.
fn ours(name: &str, key: &str, release: &Release) -> Dependency {
    Dependency {
        name: name.to_owned(),
        version: release.version.clone(),
        repository: format!("file://../{name}"),
        condition: None,
        alias: Some(key.to_owned()),
    }
}
