//! The resources of Argo CD, as far as we use them.
//!
//! Types of our own and not those of a crate: what is not here cannot be set by accident, and each
//! option carries the reason for which it is used.

mod application;
mod options;
mod project;

pub use application::{
    Application, ApplicationSpec, Automated, Backoff, Destination, Directory, Helm, Metadata,
    NamespaceMetadata, Retry, Source, SyncPolicy,
};
pub use options::{CompareOption, Finalizer, SyncOption, Wave};
pub use project::{AppProject, AppProjectSpec, GroupKind};

/// The API version of all of them.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// The cluster that Argo CD itself runs in.
pub const IN_CLUSTER: &str = "https://kubernetes.default.svc";
