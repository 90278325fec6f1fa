//! A platform of real servers with a played fleet, and what must be so after every fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_api::Deployment;
use fleet_bus::stream::ensure_all;
use fleet_bus::{Bus, StreamSettings};
use fleet_contracts::{DeploymentRef, Revision};
use fleet_testbed::{Builder, Operator, OperatorOptions, OperatorRights, Testbed, wait};
use futures::future::join_all;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::played::Played;
use crate::sampled::Sampler;
use crate::truth::{Resources, Stored};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Short, so that a failover is.
const LEASE_SECONDS: &str = "3";
const NAMESPACE: &str = "default";

/// The label that every played device has.
pub(crate) const EVERYBODY: (&str, &str) = ("fleet", "played");

/// The name of a Deployment.
pub(crate) fn app(number: usize) -> String {
    format!("app-{number}")
}

/// A platform with a played fleet.
pub(crate) struct Scene {
    // Before the servers, so that it ends first.
    pub(crate) played: Played,
    sampler: Sampler,
    pub(crate) bus: Bus,
    pub(crate) client: Client,
    /// Every revision that was asked for, in order.
    asked: Mutex<BTreeMap<DeploymentRef, Vec<Revision>>>,
    /// What was taken away on purpose, from everybody or from some.
    taken: Mutex<BTreeSet<DeploymentRef>>,
    pub(crate) bed: Testbed,
}

/// What a fault did, for the last line of a scenario.
pub(crate) struct Held {
    /// As in `docs/reliability.md`.
    pub(crate) fault: &'static str,
    /// From the end of the fault until all was right.
    pub(crate) converged: Vec<Duration>,
}

impl Scene {
    /// With so many devices, all of `fleet=played` and in one of four rings. No operator yet.
    pub(crate) async fn open(name: &str, devices: usize) -> Self {
        let settings = StreamSettings::default();
        Box::pin(Self::open_on(
            Testbed::builder(name).nats(),
            devices,
            settings,
        ))
        .await
    }

    pub(crate) async fn open_on(builder: Builder, devices: usize, streams: StreamSettings) -> Self {
        let bed = Box::pin(builder.control_plane().start()).await;
        let bed = bed.expect("the testbed starts");
        let client = bed.kube_client().await.expect("a client");
        bed.install_crds().await.expect("definitions");
        let rights = OperatorRights::default();
        bed.grant_operator(&rights).await.expect("permissions");
        let nats = bed.nats().expect("a bus");
        let bus = Bus::over(nats.operator_client().await.expect("connects"));
        let made = wait::until(PATIENCE, || async {
            ensure_all(bus.context(), &streams).await.is_ok()
        });
        assert!(made.await, "the streams");
        let trusted = bed.trusted_key().parse().expect("a key");
        let played = Played::start(bus.clone(), trusted);
        for number in 0..devices {
            let ring = format!("r{}", number % 4);
            let labels = [("fleet", "played"), ("ring", ring.as_str())];
            played.announce(&format!("dev-{number:03}"), &labels);
        }
        Self {
            played,
            sampler: Sampler::start(client.clone()),
            bus,
            client,
            asked: Mutex::default(),
            taken: Mutex::default(),
            bed,
        }
    }

    /// A replica of the operator. Played devices send no heartbeats, and are not to count as away.
    pub(crate) fn operator(&self, name: &str) -> Operator {
        self.operator_with(name, &[])
    }

    pub(crate) fn operator_with(&self, name: &str, args: &[&str]) -> Operator {
        self.operator_by(OperatorOptions::replica(name).args(args.iter().copied()))
    }

    pub(crate) fn operator_by(&self, options: OperatorOptions) -> Operator {
        let options = options.args(["--lease-duration", LEASE_SECONDS, "--stale-after", "7200"]);
        let operator = self.bed.start_operator(options);
        operator.expect("the operator starts")
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Asks for an image on the devices with a label, however often that takes.
    pub(crate) async fn deploy(&self, name: &str, label: (&str, &str), image: &str) -> Revision {
        let score = json!({"PodmanV0": {"services": [{"name": "web", "image": image}]}});
        self.deploy_score(name, label, score).await
    }

    /// The same with a whole score.
    pub(crate) async fn deploy_score(
        &self,
        name: &str,
        label: (&str, &str),
        score: Value,
    ) -> Revision {
        let object = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"targetSelector": {"matchLabels": {label.0: label.1}}, "score": score},
        });
        let object: Deployment = serde_json::from_value(object).expect("a Deployment");
        let revision = object.spec.score.revision();
        self.asks(name, revision);
        let params = PatchParams::apply("test").force();
        let taken = wait::until(PATIENCE, || async {
            let patch = Patch::Apply(&object);
            let applied = self.deployments().patch(name, &params, &patch).await;
            applied.is_ok_and(|found| found.name_any() == name)
        });
        assert!(taken.await, "the API server takes {name}");
        revision
    }

    /// Asks for an image of this tag of so many Deployments, on all devices.
    pub(crate) async fn deploy_all(&self, number: usize, tag: &str) -> Vec<Revision> {
        let image = format!("app:{tag}");
        let names: Vec<_> = (0..number).map(app).collect();
        let asked = names
            .iter()
            .map(|name| self.deploy(name, EVERYBODY, &image));
        join_all(asked).await
    }

    /// Deletes a Deployment; does not wait until it is gone.
    pub(crate) async fn delete(&self, name: &str) {
        self.may_take(name);
        let (deployments, params) = (self.deployments(), DeleteParams::default());
        let deleted = deployments.delete(name, &params).await;
        deleted.expect("deleted");
    }

    /// Devices may lose this Deployment, because that was asked for.
    pub(crate) fn may_take(&self, name: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(reference(name));
    }

    /// This is asked for from now on; also again, where a server has forgotten what came after.
    pub(crate) fn asks(&self, name: &str, revision: Revision) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.entry(reference(name)).or_default().push(revision);
    }

    /// Waits until resources, bus, devices and statuses say the same; how long that took since then.
    pub(crate) async fn converged(&self, since: Instant, operators: &[&Operator]) -> Duration {
        self.converged_but(since, operators, &[]).await
    }

    /// The same of all but what these words name.
    pub(crate) async fn converged_but(
        &self,
        since: Instant,
        operators: &[&Operator],
        left_out: &[&str],
    ) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = self.differences().await;
            found.retain(|text| !left_out.iter().any(|word| text.contains(word)));
            if found.is_empty() {
                return since.elapsed();
            }
            if Instant::now() >= deadline {
                for operator in operators {
                    eprintln!("--- {}\n{}", operator.service().name(), operator.log());
                }
                let some: Vec<_> = found.iter().take(8).map(String::as_str).collect();
                panic!("{} differences, such as\n{}", found.len(), some.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What is not as it should be at this moment.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let resources = match Resources::read(&self.client).await {
            Ok(resources) => resources,
            Err(error) => return vec![format!("the API server: {error}")],
        };
        match Stored::read(&self.bus).await {
            Ok(stored) => resources.differences(&stored, &self.played.book()),
            Err(error) => vec![format!("the bus: {error}")],
        }
    }

    /// What held all the time: counts added up, and nothing was started or removed that nobody had
    /// asked for. Says so in one line.
    pub(crate) fn held(&self, held: &Held) {
        let statuses = self.sampler.held();
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let book = self.played.book();
        for (key, starts) in &book.starts {
            let asked = asked.get(&key.deployment).cloned().unwrap_or_default();
            assert!(
                is_subsequence(starts, &asked),
                "{key} was started as {starts:?}; asked for were {asked:?}"
            );
        }
        let removed = book.removed.iter();
        let wrong: Vec<_> = removed.filter(|k| !taken.contains(&k.deployment)).collect();
        assert!(wrong.is_empty(), "removed though nobody asked: {wrong:?}");
        let starts: usize = book.starts.values().map(Vec::len).sum();
        let remark = match starts {
            0 => format!("{statuses} statuses added up"),
            _ => format!("{statuses} statuses added up, {starts} starts were all asked for"),
        };
        report(held, &remark);
    }
}

/// The line that `make faults` gathers. Not with a macro: the harness would keep it to itself.
fn report(held: &Held, remark: &str) {
    let mut seconds: Vec<_> = held.converged.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    let longest = seconds.last().copied().unwrap_or_default();
    let middle = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
    let (fault, runs) = (held.fault, seconds.len());
    let line = format!(
        "fault: {fault}: held; converged in {middle:.1} s (longest {longest:.1} s of {runs}); {remark}\n"
    );
    let said = std::io::stderr().write_all(line.as_bytes());
    said.expect("said");
}

fn reference(name: &str) -> DeploymentRef {
    let text = format!("{NAMESPACE}.{name}");
    text.parse().expect("a reference")
}

/// Whether the first can be had from the second by leaving some out: each was asked for before it was
/// started, and nothing was started twice.
fn is_subsequence(starts: &[Revision], asked: &[Revision]) -> bool {
    let mut asked = asked.iter();
    starts.iter().all(|start| asked.any(|other| other == start))
}
