//! Devices that are the agent's own code, on their connections.

use std::sync::Arc;

use fleet_agent_core::engine::Settings;
use fleet_bus::async_nats::{Client, Statistics};
use fleet_contracts::signing::TrustedKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Scene;
use super::setup::{self, Share};
use crate::Error;
use crate::device::{Applied, Ears, Host, Order, Request};
use crate::fleet::{Census, Counts};
use crate::platform::{Platform, until};

/// Milliseconds between two signs of life, as agents have it.
pub(super) const HEARTBEAT: u64 = 30_000;

/// All devices, running for as long as this lives.
pub(super) struct Agents {
    /// What they do to containers; nothing where a census is kept of it.
    pub(super) applied: mpsc::UnboundedReceiver<Applied>,
    /// Of each connection.
    pub(super) traffic: Vec<Arc<Statistics>>,
    /// The connections.
    pub(super) clients: Vec<Client>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    tasks: JoinSet<Result<(), Error>>,
}

/// The way to each device.
#[derive(Debug, Clone)]
pub(super) struct Orders(Vec<mpsc::UnboundedSender<Order>>);

impl Orders {
    /// Has a device do something; `order` is given its place on its lane.
    pub(super) fn give(&self, device: usize, order: impl FnOnce(usize) -> Order) {
        // Why devices stopped, if they did, is found out elsewhere.
        let _ = self.0[device % setup::LANES].send(order(setup::local(device)));
    }
}

impl Agents {
    /// A fleet that runs all its Deployments.
    pub(super) async fn running(scene: &Scene, platform: &Platform) -> Result<Self, Error> {
        Self::counted(scene, platform, None).await
    }

    /// The same, with a census of it.
    pub(super) async fn counted(
        scene: &Scene,
        platform: &Platform,
        census: Option<Arc<Census>>,
    ) -> Result<Self, Error> {
        let started = Self::start(scene, platform, census);
        let agents = setup::noted(scene, "registered_seconds", started).await?;
        let rolled_out = agents.roll_out(scene, platform);
        setup::noted(scene, "roll_out_seconds", rolled_out).await?;
        Ok(agents)
    }

    /// Switches them on and waits until the operator knows all of them.
    async fn start(
        scene: &Scene,
        platform: &Platform,
        census: Option<Arc<Census>>,
    ) -> Result<Self, Error> {
        let trusted = platform.bed.trusted_key().parse::<TrustedKey>();
        let trusted = trusted.map_err(|error| Error::Fleet(error.to_string()))?;
        let shares: Vec<Share<Request>> = setup::connect(scene, platform).await?;
        let count = scene.fleet.devices.len();
        scene.progress.say(&format!("{count} devices start"));
        let traffic = shares.iter().flat_map(|share| share.lane.traffic());
        let traffic = traffic.collect();
        let all = |share: &Share<Request>| -> Vec<Client> {
            let all = 0..share.lane.connections();
            all.map(|number| share.lane.connection(number)).collect()
        };
        let clients = shares.iter().flat_map(all).collect();
        let (sender, applied) = mpsc::unbounded_channel();
        let ears = census.map_or(Ears::Each(sender), Ears::Census);
        let (mut tasks, mut orders) = (JoinSet::new(), Vec::new());
        for share in shares {
            let settings = share.devices(scene).into_iter().map(|number| {
                let device = &scene.fleet.devices[number];
                Settings {
                    device: device.id.clone(),
                    labels: device.labels.clone(),
                    trusted: vec![trusted.clone()],
                    heartbeat: HEARTBEAT,
                    default_host_ip: None,
                }
            });
            let (settings, record) = (settings.collect(), scene.record.clone());
            let (order, given) = mpsc::unbounded_channel();
            orders.push(order);
            let mut host = Host::new(settings, share.lane, record, given, ears.clone()).await?;
            if let Some(unrest) = &scene.unrest {
                host.disturb(unrest);
            }
            tasks.spawn(host.serve());
        }
        let agents = Self {
            applied,
            traffic,
            clients,
            orders,
            tasks,
        };
        setup::registered(scene, platform).await?;
        Ok(agents)
    }

    /// Where orders for a device go.
    pub(super) fn orders(&self) -> Orders {
        Orders(self.orders.clone())
    }

    /// Why the devices stopped, if they did.
    pub(super) fn failure(&mut self) -> Option<Error> {
        match self.tasks.try_join_next()? {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(error) => Some(error.into()),
        }
    }

    /// All Deployments of the fleet are made, and run everywhere.
    async fn roll_out(&self, scene: &Scene, platform: &Platform) -> Result<(), Error> {
        let fleet = &scene.fleet;
        scene
            .progress
            .say(&format!("{} Deployments are made", fleet.workloads.len()));
        platform.create(fleet).await?;
        Self::all_run(scene, platform).await?;
        setup::quiet(scene, platform).await
    }

    /// Waits until all Deployments of the fleet run everywhere by their statuses.
    pub(super) async fn all_run(scene: &Scene, platform: &Platform) -> Result<(), Error> {
        let fleet = &scene.fleet;
        let expected = |workload: usize| {
            let count = fleet.workloads[workload].pairs.len();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            Counts {
                matched: count,
                succeeded: count,
                ..Counts::default()
            }
        };
        let right = || async {
            let wrong = platform.wrong(fleet, expected).await;
            wrong.is_ok_and(|wrong| wrong.is_empty())
        };
        until(
            scene.long(),
            "all Deployments run on all their devices",
            right,
        )
        .await
    }
}
