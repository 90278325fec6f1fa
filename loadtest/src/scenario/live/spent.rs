//! What something costs the platform: processor time, and requests to the API server.

use std::collections::BTreeMap;
use std::time::Instant;

use kube::api::{ListParams, Request};

use super::super::Scene;
use crate::platform::Platform;

/// What was spent by a moment.
#[derive(Debug)]
pub(in super::super) struct Spent {
    at: Instant,
    cpu: BTreeMap<String, f64>,
    requests: Option<Requests>,
}

/// Requests that the API server has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Requests {
    all: f64,
    /// Those that write a status of ours, which only the operator does.
    statuses: f64,
}

impl Spent {
    pub(in super::super) async fn by_now(scene: &Scene, platform: &Platform) -> Self {
        Self {
            at: Instant::now(),
            cpu: scene.record.cpu(),
            requests: requests(platform).await,
        }
    }

    /// Notes what was spent since.
    pub(in super::super) async fn note(&self, scene: &Scene, platform: &Platform) {
        let record = &scene.record;
        record.cpu_since(&self.cpu, self.at.elapsed());
        if let (Some(before), Some(after)) = (self.requests, requests(platform).await) {
            record.figure("all_api_requests", after.all - before.all);
            let statuses = after.statuses - before.statuses;
            record.figure("status_api_requests", statuses);
        }
    }
}

async fn requests(platform: &Platform) -> Option<Requests> {
    let request = Request::new("/metrics").list(&ListParams::default()).ok()?;
    let page = platform.client.request_text(request).await.ok()?;
    Some(read(&page))
}

fn read(page: &str) -> Requests {
    let mut requests = Requests::default();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("apiserver_request_total{") else {
            continue;
        };
        let Some((labels, count)) = rest.rsplit_once("} ") else {
            continue;
        };
        let count: f64 = count.parse().unwrap_or_default();
        requests.all += count;
        let has = |label| labels.split(',').any(|l| l == label);
        if has("group=\"fleet.nationtech.io\"") && has("subresource=\"status\"") {
            requests.statuses += count;
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_ours_are_told_from_other_requests() {
        let page = "# TYPE apiserver_request_total counter\n\
            apiserver_request_total{code=\"200\",group=\"fleet.nationtech.io\",resource=\"deployments\",subresource=\"status\",verb=\"PATCH\"} 41\n\
            apiserver_request_total{code=\"200\",group=\"fleet.nationtech.io\",resource=\"deployments\",subresource=\"\",verb=\"GET\"} 7\n\
            apiserver_request_total{code=\"200\",group=\"\",resource=\"nodes\",subresource=\"status\",verb=\"PATCH\"} 2\n\
            apiserver_request_duration_seconds_sum{verb=\"GET\"} 9\n";
        let expected = Requests {
            all: 50.0,
            statuses: 41.0,
        };
        assert_eq!(read(page), expected);
    }
}
