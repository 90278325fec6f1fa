//! What the operator says of itself.

use super::Platform;

impl Platform {
    /// The sum of all values of a metric; none if the operator does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let page = self.operator.page("/metrics").await?;
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with(['{', ' ']);
            is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Some(values.sum())
    }

    /// Whether the operator says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let page = self.operator.page("/readyz").await;
        page.is_some_and(|page| {
            page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200")
        })
    }
}
