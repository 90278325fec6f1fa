//! Named templates that nearly every chart needs, from a small fixed set.
//!
//! Each is written to `_helpers.tpl` only if it is used, under the chart's name, so that a chart
//! and its subcharts do not overwrite one another's. What they can be told through values depends
//! on the values struct: a helper looks for the paths below and leaves out what is not there.
//!
//! | helper | values it looks for |
//! |---|---|
//! | [`name`], [`fullname`], [`fullname_with`] | `nameOverride`, `fullnameOverride` |
//! | [`labels`], [`component_labels`] | `commonLabels` |
//! | [`image`] | `registry`, `repository`, `tag`, `digest` below the image; `global.imageRegistry` |
//! | [`pull_secrets`] | `imagePullSecrets`, `global.imagePullSecrets` |
//! | [`service_account_name`] | `serviceAccount.create`, `serviceAccount.name` |
//! | [`component_account_name`] | `create`, `name` below the account |
//!
//! A chart that installs several programs calls each a component: its objects are named and labelled
//! by it, so that the selector of one finds no pod of another.

use crate::{Expr, Kind, Path, ValueRef};

/// The most characters a DNS label has, and so the value of a label and most names.
pub(crate) const LABEL: usize = 63;

/// One of the named templates. What it is called: [`Helper::title`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Helper {
    Name,
    Fullname,
    FullnameWith { suffix: String, max: usize },
    ChartLabel,
    ValuesDigest,
    SelectorLabels,
    Labels,
    ComponentSelectorLabels(String),
    ComponentLabels(String),
    Image(Path),
    PullSecrets,
    ServiceAccountName,
    ComponentAccountName { component: String, account: Path },
}

impl Helper {
    /// The name of a component's objects.
    pub(crate) fn of_component(component: &str) -> Self {
        Self::FullnameWith {
            suffix: component.to_owned(),
            max: LABEL,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::SelectorLabels
            | Self::Labels
            | Self::ComponentSelectorLabels(_)
            | Self::ComponentLabels(_) => Kind::Obj,
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
            Self::ValuesDigest => "valuesDigest".to_owned(),
            Self::SelectorLabels => "selectorLabels".to_owned(),
            Self::Labels => "labels".to_owned(),
            Self::ComponentSelectorLabels(component) => format!("selectorLabels.{component}"),
            Self::ComponentLabels(component) => format!("labels.{component}"),
            Self::Image(path) => path.to_string(),
            Self::PullSecrets => "imagePullSecrets".to_owned(),
            Self::ServiceAccountName => "serviceAccountName".to_owned(),
            Self::ComponentAccountName { component, .. } => {
                format!("serviceAccountName.{component}")
            }
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
/// part before it, and then ends in a digest of all of it, so that names that were different stay so.
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

/// Ten characters that change with the chart's version and with any value. For the name of a `Job`,
/// which cannot be changed: what it would do differently makes another one, and nothing else does.
#[track_caller]
pub fn values_digest() -> Expr {
    Expr::include(Helper::ValuesDigest)
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

/// [`labels`] of one component: `app.kubernetes.io/component` is among them.
#[track_caller]
pub fn component_labels(component: impl Into<String>) -> Expr {
    Expr::include(Helper::ComponentLabels(component.into()))
}

/// [`selector_labels`] of one component's pods.
#[track_caller]
pub fn component_selector_labels(component: impl Into<String>) -> Expr {
    Expr::include(Helper::ComponentSelectorLabels(component.into()))
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

/// The same for one component, whose service account is described at a place of its own. The one that is
/// created is called like the component's other objects.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "`v!` makes one for the call")]
pub fn component_account_name<V>(component: impl Into<String>, account: ValueRef<V>) -> Expr {
    Expr::include(Helper::ComponentAccountName {
        component: component.into(),
        account: account.path().clone(),
    })
}
