//! What the operator says of itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Platform;

/// A busy operator may take long to answer, and is then asked again.
const PATIENCE: Duration = Duration::from_secs(5);

impl Platform {
    /// The sum of all values of a metric; none if the operator does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let page = self.page("/metrics").await?;
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with(['{', ' ']);
            is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Some(values.sum())
    }

    /// Whether the operator says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let page = self.page("/readyz").await;
        page.is_some_and(|page| {
            page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200")
        })
    }

    async fn page(&self, path: &str) -> Option<String> {
        let asking = async {
            let mut stream = TcpStream::connect(self.operator.metrics_addr())
                .await
                .ok()?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: operator\r\n\r\n");
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        };
        tokio::time::timeout(PATIENCE, asking).await.ok()?
    }
}
