//! Checks over rendered Kubernetes manifests, whoever wrote the chart.
//!
//! What would be refused by an API server, by Pod Security or by OpenShift, and what would break
//! an upgrade, is found in the text that `helm template` prints, without a cluster. Every finding
//! has a stable [`Rule`], a place and an advice. The rules are functions of the manifests and the
//! [`Options`]: the crate must never talk to a cluster, and never change what it reads.
//!
//! ```
//! let text = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dta": {}}"#;
//! let report = chartgen_lint::lint_text("a.json", text, &chartgen_lint::Options::default());
//! assert_eq!(report.of(chartgen_lint::Rule::UnknownField).count(), 1);
//! ```
//!
//! - [`lint_dir`] and [`lint_text`] run all rules; [`compare`] those over two releases.
//! - [`pod`] has the two admission rule sets for use on single pods.

pub mod pod;

mod compare;
mod crd;
mod duplicates;
mod fields;
mod folder;
mod lint;
mod object;
mod options;
mod rbac;
mod release;
mod report;
mod rule;
mod selectors;
mod value;
mod yaml;

pub use compare::compare;
pub use folder::Error;
pub use lint::{lint_dir, lint_manifests, lint_text};
pub use object::{Manifests, Object, Place};
pub use options::Options;
pub use release::{ReleaseSize, release_size};
pub use report::{Finding, Report};
pub use rule::{Rule, Severity, UnknownRule};
