//! What a container said before it ended, or while it does not get ready. Whoever may not read logs does
//! without.

use futures::future::join_all;
use k8s_openapi::api::core::v1;
use kube::Api;
use kube::api::LogParams;

use super::Asker;
use crate::doctor::facts::{Container, Pod};

/// So many containers are asked, and the others say the same.
const ASKED: usize = 8;
/// A line of a log may be of any length.
const BYTES: i64 = 4096;

impl Asker<'_> {
    /// Adds it to the containers that end again and again, and to those that run and are not ready.
    pub(super) async fn last_words(&self, pods: &mut [Pod]) {
        let quiet = pods.iter_mut().flat_map(|pod| {
            let place = (pod.namespace.clone(), pod.name.clone());
            let unready = !pod.ready && !pod.succeeded;
            let containers = pod.containers.iter_mut();
            let quiet = containers.filter(move |container| {
                container.ended.is_some() || (unready && container.waits.is_none())
            });
            quiet.map(move |container| (place.clone(), container))
        });
        let asked = quiet
            .take(ASKED)
            .map(async |((namespace, pod), container)| {
                let api: Api<v1::Pod> = Api::namespaced(self.cluster.client.clone(), &namespace);
                container.last_words = last_line(&api, &pod, container).await;
            });
        join_all(asked).await;
    }
}

async fn last_line(api: &Api<v1::Pod>, pod: &str, container: &Container) -> Option<String> {
    let params = LogParams {
        container: Some(container.name.clone()),
        // One that waits for its next start has no log of its own yet.
        previous: container.restarts > 0 && container.waits.is_some(),
        tail_lines: Some(1),
        limit_bytes: Some(BYTES),
        ..LogParams::default()
    };
    let log = api.logs(pod, &params).await.ok()?;
    let line = log.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
