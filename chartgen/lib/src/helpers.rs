//! Named templates that nearly every chart needs, from a small fixed set.
//!
//! Each is written to `_helpers.tpl` only if it is used, under the chart's name, so that a chart
//! and its subcharts do not overwrite one another's. What they can be told through values depends
//! on the values struct: a helper looks for the paths below and leaves out what is not there.
//!
//! | helper | values it looks for |
//! |---|---|
//! | [`name`], [`fullname`], [`fullname_with`] | `nameOverride`, `fullnameOverride` |
//! | [`labels`] | `commonLabels` |
//! | [`image`] | `registry`, `repository`, `tag`, `digest` below the image; `global.imageRegistry` |
//! | [`pull_secrets`] | `imagePullSecrets`, `global.imagePullSecrets` |
//! | [`service_account_name`] | `serviceAccount.create`, `serviceAccount.name` |

use crate::{Expr, Kind, Path, ValueRef};

/// The most characters a DNS label has, and so the value of a label and most names.
const LABEL: usize = 63;

/// One of the named templates. What it is called: [`Helper::title`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Helper {
    Name,
    Fullname,
    FullnameWith { suffix: String, max: usize },
    ChartLabel,
    SelectorLabels,
    Labels,
    Image(Path),
    PullSecrets,
    ServiceAccountName,
}

impl Helper {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::SelectorLabels | Self::Labels => Kind::Obj,
            Self::PullSecrets => Kind::Seq,
            _ => Kind::Str,
        }
    }

    /// Its name below the chart's.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Name => "name".to_owned(),
            Self::Fullname => "fullname".to_owned(),
            Self::FullnameWith { suffix, max: LABEL } => format!("fullname.{suffix}"),
            Self::FullnameWith { suffix, max } => format!("fullname.{suffix}.{max}"),
            Self::ChartLabel => "chart".to_owned(),
            Self::SelectorLabels => "selectorLabels".to_owned(),
            Self::Labels => "labels".to_owned(),
            Self::Image(path) => path.to_string(),
            Self::PullSecrets => "imagePullSecrets".to_owned(),
            Self::ServiceAccountName => "serviceAccountName".to_owned(),
        }
    }

    /// Whether it always yields something.
    pub(crate) fn never_empty(&self) -> bool {
        !matches!(self, Self::PullSecrets)
    }
}

/// The chart's name, or `nameOverride`; at most 63 characters.
#[track_caller]
pub fn name() -> Expr {
    Expr::include(Helper::Name)
}

/// The name for the objects of a release: that of the release and the chart, or the release's
/// alone if it contains the chart's; or `fullnameOverride`. At most 63 characters.
#[track_caller]
pub fn fullname() -> Expr {
    Expr::include(Helper::Fullname)
}

/// [`fullname`] with `-` and a suffix, which stays whole: what is cut to 63 characters is the
/// part before it.
#[track_caller]
pub fn fullname_with(suffix: impl Into<String>) -> Expr {
    fullname_within(suffix, LABEL)
}

/// [`fullname_with`], in at most `max` characters. For objects that derive longer names from
/// theirs: a `CronJob` has 52, a `StatefulSet`'s pods need some for their number.
#[track_caller]
pub fn fullname_within(suffix: impl Into<String>, max: usize) -> Expr {
    let suffix = suffix.into();
    Expr::include(Helper::FullnameWith { suffix, max })
}

/// The recommended labels, and the user's `commonLabels` where they do not contradict.
#[track_caller]
pub fn labels() -> Expr {
    Expr::include(Helper::Labels)
}

/// The labels that selectors use: name and instance, and nothing that a later version could
/// change, for the selector of a Deployment is immutable.
#[track_caller]
pub fn selector_labels() -> Expr {
    Expr::include(Helper::SelectorLabels)
}

/// The reference to an image: registry, repository, tag and digest, each if it is there. Without
/// a tag it is that of the version the chart installs; a global registry wins over the image's.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "`v!` makes one for the call")]
pub fn image<V>(image: ValueRef<V>) -> Expr {
    Expr::include(Helper::Image(image.path().clone()))
}

/// The image pull secrets of the chart and the global ones. A list: splice it.
#[track_caller]
pub fn pull_secrets() -> Expr {
    Expr::include(Helper::PullSecrets)
}

/// The name of the service account: that of the release if one is created, `default` if not,
/// unless the user names one.
#[track_caller]
pub fn service_account_name() -> Expr {
    Expr::include(Helper::ServiceAccountName)
}
