//! The charts of fleet-platform as Rust values.
//!
//! `charts/` is written from this crate and from nothing else. Objects are those of k8s-openapi,
//! permissions those of the operator's core, custom resource definitions those of `fleet-api`; the
//! library [`chartgen`] knows how a chart is written. Versions are the workspace's, so a chart and
//! the programs it installs always belong together.

pub mod auth;
pub mod crds;
pub mod hub;
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
    /// What is said of a chart cannot be written.
    #[error("cannot write the annotations of a chart")]
    Annotations(#[from] serde_json::Error),
    /// What changed cannot be read.
    #[error("cannot read CHANGELOG.md")]
    Changelog(#[from] hub::ChangelogError),
}

/// What distinguishes one release of the charts from another.
#[derive(Debug, Clone)]
pub struct Release {
    /// The version of charts and programs.
    pub version: String,
    /// The definitions.
    pub crds: Vec<CustomResourceDefinition>,
    /// What changed since the release before, in packages. What is committed is of no release, and says
    /// nothing of it: else whoever adds a line to the changelog would have to write all charts anew.
    pub changes: Option<Vec<hub::Change>>,
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
            changes: None,
        })
    }

    /// The same with what changed, by `CHANGELOG.md`.
    ///
    /// # Errors
    /// When that is not in its form, or says nothing of this version.
    pub fn with_changes(mut self) -> Result<Self, ChartsError> {
        let log = hub::Changelog::parse(include_str!("../../CHANGELOG.md"))?;
        self.changes = Some(log.of(&self.version)?.to_vec());
        Ok(self)
    }

    /// The name of an image of ours, in this version.
    fn image(&self, image: &chartgen::common::Image) -> String {
        format!("{}/{}:{}", image.registry, image.repository, self.version)
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
