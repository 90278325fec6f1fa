//! What a tool that follows git installs of fleet-platform: Argo CD applications, health scripts and a
//! Flux example, from Rust values.
//!
//! `gitops/manifests/` is written from this crate and from nothing else. The crate makes text and
//! never talks to a cluster or a repository. It must not hold a rule that is somebody else's: conditions
//! and reasons are those of `fleet-api`, what a status says is the operator's own function.

pub mod argo;
pub mod flux;
pub mod health;
mod manifests;
mod params;
pub mod platform;
pub mod sample;
pub mod values;

pub use manifests::{Files, ManifestError, customizations};
pub use params::{
    ChartVersion, Cluster, InvalidParameter, Parameters, Registry, RepoUrl, Revision, Supply,
};

/// Where the example takes fleet-platform's own charts from, and which version of them: this one.
///
/// # Errors
/// Never, as with [`examples`].
pub fn flux_example() -> Result<(Registry, ChartVersion), InvalidParameter> {
    let registry = "registry.example.com/fleet".parse()?;
    Ok((registry, env!("CARGO_PKG_VERSION").parse()?))
}

/// The installations that are committed as examples, of a repository that everybody replaces with
/// their own.
///
/// # Errors
/// Never; the addresses are constants that a test parses.
pub fn examples() -> Result<Vec<Parameters>, InvalidParameter> {
    let repository: RepoUrl = "https://git.example.com/fleet/fleet-platform.git".parse()?;
    let revision: Revision = "main".parse()?;
    let mirror = Supply::Mirror("registry.example.com/mirror".parse()?);
    let sets = [
        (Cluster::Kubernetes, Supply::Upstream),
        (Cluster::Okd, Supply::Upstream),
        (Cluster::Kubernetes, mirror),
    ];
    let parameters = |(cluster, supply)| Parameters {
        repository: repository.clone(),
        revision: revision.clone(),
        cluster,
        supply,
    };
    Ok(sets.map(parameters).into())
}
