//! What to check, and against which limits.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::pod::Range;
use crate::rule::Rule;

/// A CRD above this is a burden for every client that lists CRDs, and takes a good part of the
/// megabyte that a release may have.
const CRD_LIMIT: usize = 200_000;
/// Leaves room for growth below the 1 MiB at which Kubernetes refuses the Secret.
const RELEASE_LIMIT: usize = 300_000;

/// What to check, and against which limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// The ids of an OpenShift namespace, for restricted-v2; without it those rules do not run.
    pub openshift: Option<Range>,
    /// Rules whose findings are left out.
    pub ignore: BTreeSet<Rule>,
    /// Whether CRDs must survive `helm uninstall`.
    pub crd_keep: bool,
    /// Whether CRDs must survive Argo CD.
    pub crd_argo: bool,
    /// The largest CRD, in bytes of JSON.
    pub crd_limit: usize,
    /// The largest release Secret, in bytes.
    pub release_limit: usize,
    /// The folder of the chart itself: its files are stored with every release.
    pub chart: Option<PathBuf>,
    /// The namespace of objects that name none.
    pub namespace: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            openshift: Some(Range::default()),
            ignore: BTreeSet::new(),
            crd_keep: false,
            crd_argo: false,
            crd_limit: CRD_LIMIT,
            release_limit: RELEASE_LIMIT,
            chart: None,
            namespace: "default".to_owned(),
        }
    }
}
