//! Options of Argo CD, each with what happens without it.

use serde::{Serialize, Serializer};

/// How objects are brought into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncOption {
    /// By server-side apply. The other way keeps a copy of each object in an annotation, which is too
    /// small for larger definitions, and takes fields away that others own, such as labels of people.
    ServerSideApply,
    /// Makes the namespace if it is not there.
    CreateNamespace,
    /// Fails when another application has an object already. Two charts of ours bring the same
    /// definitions; they would otherwise take them from each other at every sync.
    FailOnSharedResource,
    /// Removes what is gone from git after everything else is in place and healthy, so that a change
    /// of names does not take the old one away first.
    PruneLast,
}

impl SyncOption {
    /// As Argo CD spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerSideApply => "ServerSideApply=true",
            Self::CreateNamespace => "CreateNamespace=true",
            Self::FailOnSharedResource => "FailOnSharedResource=true",
            Self::PruneLast => "PruneLast=true",
        }
    }
}

/// How git and cluster are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOption {
    /// By asking the API server what an apply would change. Argo CD's own comparison does not know what
    /// a server fills in: of a `StatefulSet` with volume claims it sees `apiVersion` and `kind` of each
    /// claim in the cluster only, is out of sync for ever, and heals itself for ever.
    ServerSideDiff,
}

impl CompareOption {
    /// The annotation of an application.
    pub const ANNOTATION: &str = "argocd.argoproj.io/compare-options";

    /// As Argo CD spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerSideDiff => "ServerSideDiff=true",
        }
    }
}

impl Serialize for SyncOption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What happens to an application's objects when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Finalizer {
    /// They go first. Without it Argo CD forgets the application and everything stays.
    #[serde(rename = "resources-finalizer.argocd.argoproj.io")]
    RemoveResources,
}

/// When an application is synced: after all of the earlier waves are healthy. The last wave is not waited
/// for, so that nothing may come after it that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wave {
    /// The definitions: without them nothing of ours can be described.
    Definitions,
    /// Keys and certificates: pods of all later waves wait for them.
    Keys,
    /// OpenBao: identities keep their policies there.
    Secrets,
    /// The identity provider.
    Identity,
    /// The bus, and what needs it; these find each other.
    Platform,
    /// Resources of ours, which the operator must be there for.
    Defaults,
}

impl Wave {
    /// The annotation.
    pub const ANNOTATION: &str = "argocd.argoproj.io/sync-wave";

    /// Its number. Room is left between them for what an installation adds.
    pub const fn number(self) -> i32 {
        match self {
            Self::Definitions => -40,
            Self::Keys => -30,
            Self::Secrets => -20,
            Self::Identity => -10,
            Self::Platform => 0,
            Self::Defaults => 10,
        }
    }
}
