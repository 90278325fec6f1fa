//! The profile for high availability: of everything that there is more than one of, one goes, and the
//! fleet does not notice.

use std::collections::BTreeMap;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Info, StorageType};
use fleet_chartgen::platform::profiles;
use fleet_contracts::kv::Bucket;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Wait};
use fleet_testbed::wait;
use futures::TryStreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, EvictParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};

use super::bed;
use crate::site::Site;

/// Pods of which one may go at a time, by their labels, and how many there are.
const BUDGETS: [(&str, usize); 4] = [
    ("app.kubernetes.io/name=fleet-operator", 2),
    ("app.kubernetes.io/component=callout", 2),
    ("app.kubernetes.io/component=enrolment", 2),
    ("app.kubernetes.io/name=nats", 3),
];

#[tokio::test(flavor = "multi_thread")]
async fn with_the_profile_for_high_availability_any_one_pod_may_go() {
    let admission = Admission::RestrictedV2;
    let bed = bed::start("upstream-available", Major::Four, admission);
    let Some(bed) = Box::pin(bed).await else {
        return;
    };
    println!("one node: that no two servers of the bus share one is relaxed to a wish");
    let mut all = profiles().into_iter();
    let profile = all.find(|profile| profile.name() == "ha");
    let available = bed.platform.with(&profile.expect("a profile").values());
    let available = available.with(&one_node());
    available.install(Wait::No, &[]).await.expect("installed");
    bed.wait_ready().await;
    for (pods, number) in BUDGETS {
        assert_eq!(named(&bed, pods).await.len(), number, "{pods}");
    }
    bed.enrol_device().await;
    bed.device_runs("v1").await;

    the_leading_operator_goes_amid_a_change(&bed).await;
    the_server_that_leads_a_stream_goes(&bed).await;
    a_callout_goes_and_the_other_lets_the_device_in(&bed).await;
    for (pods, number) in BUDGETS {
        a_second_eviction_is_refused(&bed, pods, number).await;
    }
    bed.device_runs("v2").await;
}

/// What a cluster of one node cannot fulfil.
fn one_node() -> Value {
    let wish = json!({"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"});
    json!({"nats": {"podTemplate": {"topologySpreadConstraints": {"kubernetes.io/hostname": wish}}}})
}

async fn named(bed: &Site, labels: &str) -> Vec<String> {
    let pods = bed.namespaced::<Pod>();
    let pods = pods.list(&ListParams::default().labels(labels)).await;
    let pods = pods.expect("listed").items.into_iter();
    let stays = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    pods.filter(stays).map(|pod| pod.name_any()).collect()
}

async fn end(bed: &Site, pod: &str) {
    let at_once = DeleteParams::default().grace_period(0);
    let deleted = bed.platform.pods_api().delete(pod, &at_once).await;
    deleted.expect("deleted");
}

async fn the_leading_operator_goes_amid_a_change(bed: &Site) {
    let leases = bed.namespaced::<Lease>();
    let leader = async || {
        let lease = leases.get("fleet-operator").await.expect("a lease");
        lease.spec.and_then(|spec| spec.holder_identity)
    };
    let first = leader().await.expect("a leader");
    bed.ask_for("v2").await;
    end(bed, &first).await;
    bed.shows("v2").await;
    let other = || async { leader().await.is_some_and(|now| now != first) };
    assert!(wait::until(bed.limit, other).await, "another one leads");
    bed.wait_ready().await;
}

/// The server with the lead of what devices are to run: all it knew, the others know.
async fn the_server_that_leads_a_stream_goes(bed: &Site) {
    let streams = streams(bed).await;
    let copies = streams.values().map(|info| info.config.num_replicas);
    assert_eq!(copies.collect::<Vec<_>>(), [3; 3]);
    let before = kept(&streams);
    let stream = &streams[&format!("KV_{}", Bucket::DesiredState.name())];
    let cluster = stream.cluster.as_ref().expect("a cluster");
    let leader = cluster.leader.clone().expect("a leader");
    end(bed, &leader).await;
    bed.device_runs("v1").await;
    bed.wait_ready().await;
    let whole = || async {
        let streams = self::streams(bed).await;
        let current = |info: &Info| {
            let replicas = info.cluster.iter().flat_map(|c| &c.replicas);
            replicas
                .filter(|peer| peer.current && !peer.offline)
                .count()
                == 2
        };
        streams.values().all(current)
    };
    assert!(wait::until(bed.limit, whole).await, "three of each again");
    for (name, messages) in kept(&self::streams(bed).await) {
        assert!(messages >= before[&name], "{name} has lost something");
    }
}

/// All streams but that of heartbeats, of which memory keeps one: they come again.
async fn streams(bed: &Site) -> BTreeMap<String, Info> {
    let context: Context = bed.bus().await;
    let listed: Result<Vec<Info>, _> = context.streams().try_collect().await;
    let listed = listed.expect("streams").into_iter();
    let kept = listed.filter(|info| info.config.storage == StorageType::File);
    kept.map(|info| (info.config.name.clone(), info)).collect()
}

/// How many messages each has ever had.
fn kept(streams: &BTreeMap<String, Info>) -> BTreeMap<String, u64> {
    let last = |(name, info): (&String, &Info)| (name.clone(), info.state.last_sequence);
    streams.iter().map(last).collect()
}

async fn a_callout_goes_and_the_other_lets_the_device_in(bed: &Site) {
    let callouts = named(bed, "app.kubernetes.io/component=callout").await;
    let device = bed.device();
    device.kill_agent().await.expect("killed");
    end(bed, &callouts[0]).await;
    device.start_agent().await.expect("an agent");
    bed.device_runs("v2").await;
    bed.device_runs("v1").await;
    bed.wait_ready().await;
}

/// As when two nodes are drained at once.
async fn a_second_eviction_is_refused(bed: &Site, labels: &str, number: usize) {
    // A budget protects what is ready, and knows of it a moment later.
    let budgets = bed.namespaced::<PodDisruptionBudget>();
    let allows_one = || async {
        let budgets = budgets.list(&ListParams::default()).await;
        let status = |budget: PodDisruptionBudget| budget.status.unwrap_or_default();
        let mut statuses = budgets.expect("listed").into_iter().map(status);
        statuses.all(|s| s.disruptions_allowed == Some(1) && s.current_healthy == s.expected_pods)
    };
    assert!(wait::until(bed.limit, allows_one).await, "{labels}");
    let pods = named(bed, labels).await;
    assert_eq!(pods.len(), number, "{pods:?}");
    let (api, params) = (impatient(bed).await, EvictParams::default());
    let evicted = api.evict(&pods[0], &params).await;
    evicted.unwrap_or_else(|error| panic!("{labels}: {error}"));
    let Err(refused) = api.evict(&pods[1], &params).await else {
        panic!("{labels}: {pods:?}: both were let go");
    };
    let why = refused.to_string();
    assert!(why.contains("disruption budget"), "{labels}: {why}");
    bed.wait_ready().await;
}

/// The pods, by a client that takes no for an answer: kube's own asks again until a budget has room.
async fn impatient(bed: &Site) -> Api<Pod> {
    let kubeconfig = bed.parts.kubeconfig().expect("a kubeconfig");
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("read");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.expect("a configuration");
    config.default_retry = false;
    // The cluster is on this machine.
    config.proxy_url = None;
    let client = Client::try_from(config).expect("a client");
    Api::namespaced(client, bed.platform.namespace())
}
