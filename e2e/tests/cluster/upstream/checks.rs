//! What has to be so once the platform is there.

use std::collections::BTreeMap;
use std::time::Instant;

use async_nats::ConnectOptions;
use async_nats::jetstream::Context;
use fleet_e2e::installed::is_ready;
use fleet_keys::catalogue::Name;
use fleet_testbed::wait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};

use super::bed;
use crate::site::Site;

impl Site {
    /// Who the first process of each container of the namespace's pods runs as.
    pub(crate) async fn users(&self) -> BTreeMap<String, i64> {
        let mut users = BTreeMap::new();
        for pod in self.all::<Pod>().await {
            let status = pod.status.clone().unwrap_or_default();
            for container in status.container_statuses.unwrap_or_default() {
                let user = container.user.and_then(|user| user.linux).expect("a user");
                users.insert(format!("{} {}", pod.name_any(), container.name), user.uid);
            }
        }
        users
    }

    /// The bus knows its accounts: it lets in the operator by its key, and nobody without.
    pub(crate) async fn bus_knows_whom_to_let_in(&self) {
        // The library takes a server that is still asking about somebody for one that let them in.
        if let Ok(stranger) = ConnectOptions::new().connect(bed::bus(&self.parts)).await {
            let asked = async_nats::jetstream::new(stranger).query_account().await;
            asked.expect_err("nobody gets anything without a login");
        }
        let account = self.bus().await.query_account().await.expect("streams");
        assert!(account.streams > 0, "the operator has made its streams");
    }

    /// The bus, with the operator's key.
    pub(crate) async fn bus(&self) -> Context {
        let secrets: Api<Secret> = self.namespaced();
        let operator = Name::Operator;
        let secret = secrets.get(operator.secret()).await.expect("a Secret");
        let seed = &secret.data.expect("entries")[operator.entry()].0;
        let seed = String::from_utf8(seed.clone()).expect("text");
        let client = ConnectOptions::with_nkey(seed.trim().to_owned());
        let client = client.connect(bed::bus(&self.parts)).await.expect("let in");
        async_nats::jetstream::new(client)
    }

    /// A pod ends without a word, and another one of its name is ready.
    pub(crate) async fn lose_pod(&self, name: &str) {
        let pods = self.platform.pods_api();
        let lost = pods.get(name).await.expect("a pod").uid();
        let at_once = DeleteParams::default().grace_period(0);
        pods.delete(name, &at_once).await.expect("deleted");
        let back = || async {
            let pod = pods.get_opt(name).await.ok().flatten();
            pod.is_some_and(|pod| pod.uid() != lost && is_ready(&pod))
        };
        let lost_at = Instant::now();
        let is_back = wait::until(self.limit, back).await;
        println!("{name} is back {:.1?} after its end", lost_at.elapsed());
        assert!(is_back, "{name} does not come back\n{}", self.told().await);
    }

    /// What no release may take along: keys as they are, and claims of volumes.
    pub(crate) async fn kept(&self) -> Vec<String> {
        let made = ListParams::default().labels("app.kubernetes.io/managed-by=fleet-auth");
        let secrets: Api<Secret> = self.namespaced();
        let secrets = secrets.list(&made).await.expect("listed");
        let secrets = secrets
            .iter()
            .map(|s| format!("{} {:?}", s.name_any(), s.resource_version()));
        let claims = self.all::<PersistentVolumeClaim>().await;
        let claims = claims
            .iter()
            .map(|c| format!("{} {:?}", c.name_any(), c.uid()));
        let kept: Vec<_> = secrets.chain(claims).collect();
        assert!(kept.len() > 2, "{kept:?}");
        kept
    }
}
