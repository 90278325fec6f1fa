//! The charts of fleet-platform as Rust values.
//!
//! `charts/` is written from this crate and from nothing else. Objects are those of k8s-openapi,
//! permissions those of the operator's core, custom resource definitions those of `fleet-api`; the
//! library [`chartgen`] knows how a chart is written. Versions are the workspace's, so a chart and
//! the programs it installs always belong together.

pub mod auth;
pub mod crds;
mod meta;
pub mod operator;
pub mod platform;
pub mod workload;

use chartgen::RenderedChart;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Why the charts could not be made: a defect of their definitions, never of their users.
#[derive(Debug, thiserror::Error)]
pub enum ChartsError {
    /// The custom resource definitions cannot be built.
    #[error(transparent)]
    Crds(#[from] fleet_api::CrdError),
    /// A chart's definition contradicts itself.
    #[error(transparent)]
    Chart(#[from] chartgen::ChartErrors),
}

/// What distinguishes one release of the charts from another.
#[derive(Debug, Clone)]
pub struct Release {
    /// The version of charts and programs.
    pub version: String,
    /// The definitions.
    pub crds: Vec<CustomResourceDefinition>,
}

impl Release {
    /// This one.
    ///
    /// # Errors
    /// When the definitions cannot be built.
    pub fn current() -> Result<Self, ChartsError> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            crds: fleet_api::crds()?,
        })
    }
}

/// All charts of this release.
///
/// # Errors
/// See [`ChartsError`].
pub fn charts() -> Result<Vec<RenderedChart>, ChartsError> {
    charts_of(&Release::current()?)
}

/// All charts of a release.
///
/// # Errors
/// See [`ChartsError`].
pub fn charts_of(release: &Release) -> Result<Vec<RenderedChart>, ChartsError> {
    Ok(vec![
        crds::chart(release)?,
        operator::chart(release)?,
        auth::chart(release)?,
        platform::chart(release)?,
    ])
}
