//! How the objects of one program are called and told apart.

use chartgen::{Expr, ValueRef, helpers};

/// One program of a chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// The name of its container.
    pub(crate) container: &'static str,
    /// What distinguishes it from the chart's other programs, if there are any.
    component: Option<&'static str>,
}

impl Program {
    /// The only one of its chart.
    pub(crate) const fn only(container: &'static str) -> Self {
        Self {
            container,
            component: None,
        }
    }

    /// One of several.
    pub(crate) const fn component(name: &'static str) -> Self {
        Self {
            container: name,
            component: Some(name),
        }
    }

    /// The name of its objects.
    #[track_caller]
    pub(crate) fn fullname(self) -> Expr {
        match self.component {
            None => helpers::fullname(),
            Some(component) => helpers::fullname_with(component),
        }
    }

    /// The same with a suffix.
    #[track_caller]
    pub(crate) fn fullname_with(self, suffix: &str) -> Expr {
        match self.component {
            None => helpers::fullname_with(suffix),
            Some(component) => helpers::fullname_with(format!("{component}-{suffix}")),
        }
    }

    /// The name of a Job of its, which is another one wherever it would do something else.
    #[track_caller]
    pub(crate) fn job_name(self) -> Expr {
        let suffix = self.component.unwrap_or(self.container);
        Expr::concat([
            helpers::fullname_within(suffix, JOB),
            "-".into(),
            helpers::values_digest(),
        ])
    }

    /// Labels of its objects.
    #[track_caller]
    pub(crate) fn labels(self) -> Expr {
        match self.component {
            None => helpers::labels(),
            Some(component) => helpers::component_labels(component),
        }
    }

    /// Labels by which its pods are found.
    #[track_caller]
    pub(crate) fn selector_labels(self) -> Expr {
        match self.component {
            None => helpers::selector_labels(),
            Some(component) => helpers::component_selector_labels(component),
        }
    }

    /// The account that its pods run as, which is described there in the values.
    #[track_caller]
    pub(crate) fn account_name<V>(self, account: ValueRef<V>) -> Expr {
        match self.component {
            None => helpers::service_account_name(),
            Some(component) => helpers::component_account_name(component, account),
        }
    }
}

/// The name of a Job is the value of a label of its pods: at most 63 letters, with `-` and a digest.
const JOB: usize = 63 - 1 - 10;
