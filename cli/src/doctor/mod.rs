//! `fleet doctor`: what is wrong with a cluster, before and after an installation, and how to mend it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`gather`] | asks the API server, with the rights of the user's kubeconfig; only reads |
//! | [`facts`] | what is known then, or why it is not |
//! | [`checks`] | decides over that, without asking anything |
//! | [`finding`] | the words for what can be found, and what to do about each |
//! | [`render`] | the report for people and for programs |
//! | [`guide`] | the list of all words, as documentation |
//!
//! It never says that something is well which it could not look at, and never shows a secret.

pub mod checks;
pub mod facts;
pub mod finding;
pub mod guide;

mod gather;
mod render;

use crate::args::{ClusterFlags, DoctorArgs};
use crate::cluster::{Cluster, ClusterError};
use crate::document::DocumentError;
use crate::output::{OutputError, emit};
use checks::{Stage, diagnose};
use finding::Report;

/// Why nothing could be found out. That the API server does not answer is a finding and not an error.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no usable kubeconfig.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The report could not be written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet doctor`, and gives what it found and printed.
pub async fn run(flags: &ClusterFlags, args: &DoctorArgs) -> Result<Report, DoctorError> {
    let cluster = Cluster::connect(flags).await?;
    let wanted = gather::Wanted {
        namespace: flags.namespace.as_deref(),
        openbao_namespace: args.openbao_namespace.as_deref(),
    };
    let snapshot = gather::gather(&cluster, &wanted).await;
    let stage = match (args.before, args.after) {
        (true, _) => Some(Stage::Before),
        (_, true) => Some(Stage::After),
        (false, false) => None,
    };
    let report = diagnose(&snapshot, stage);
    emit(render::render(&report, args.output)?)?;
    Ok(report)
}
