//! What operators say of themselves.

use fleet_testbed::Operator;

use super::Platform;

impl Platform {
    /// The operator that leads, if any does.
    pub async fn leader(&self) -> Option<&Operator> {
        for operator in self.operators() {
            if leads(operator).await {
                return Some(operator);
            }
        }
        None
    }

    /// The sum of all values of a metric of the operator, or of the one that leads if there are two;
    /// none if it does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let operator = match self.second {
            None => &self.operator,
            Some(_) => self.leader().await?,
        };
        metric(operator, name).await
    }

    /// Whether the operator says that it is ready; all of them, if there are two.
    pub async fn is_ready(&self) -> bool {
        for operator in self.operators() {
            let page = operator.page("/readyz").await;
            if !page.is_some_and(|page| is_ok(&page)) {
                return false;
            }
        }
        true
    }
}

/// Whether an operator leads and writes, by what it says.
pub async fn leads(operator: &Operator) -> bool {
    metric(operator, "fleet_operator_leader").await == Some(1.0)
}

async fn metric(operator: &Operator, name: &str) -> Option<f64> {
    let page = operator.page("/metrics").await?;
    Some(sum(&page, name))
}

/// The sum of all values of a metric on a page.
pub(super) fn sum(page: &str, name: &str) -> f64 {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let is_it = rest.starts_with(['{', ' ']);
        is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}

/// Whether a page came with status 200.
pub(super) fn is_ok(page: &str) -> bool {
    page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200")
}
