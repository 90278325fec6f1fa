//! A fleet with all that decides about logins, and how it is looked at during an outage.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_api::DeviceEnrolment;
use fleet_bus::{ConnectSettings, SystemBus};
use fleet_e2e::connections::{Connections, State};
use fleet_e2e::identity::{ChainOptions, Identity};
use fleet_e2e::platform::{Login, Place, Wanted, expect};
use fleet_e2e::{Error, Platform, http, rollout, workload};
use fleet_testbed::{Device, wait};
use kube::api::Api;

/// Devices of the fleet since before the outage.
pub(crate) const MEMBERS: [&str; 2] = ["dev-1", "dev-2"];
/// Enrolled before the outage, and never on the bus until then: no cache knows it.
pub(crate) const NEWCOMER: &str = "dev-3";
/// Asks to join during the outage.
pub(crate) const STRANGER: &str = "dev-4";
/// The longest pauses between attempts of an agent, one after the other, and a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(180);
/// A session that ends is followed by the next one; a busy machine may take so long for that.
const BLINK: Duration = Duration::from_secs(20);
/// The variable with the length of an outage.
const SECONDS: &str = "FLEET_OUTAGE_SECONDS";

/// How long an outage lasts at least, and whether life times are shorter than in an installation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) outage: Duration,
    short: bool,
}

impl Times {
    fn wanted() -> Self {
        let given = std::env::var(SECONDS).ok();
        let seconds = given.map(|text| text.parse().expect("whole seconds"));
        Self {
            outage: Duration::from_secs(seconds.unwrap_or(20)),
            short: seconds.is_none(),
        }
    }
}

/// The fleet.
pub(crate) struct Scene {
    pub(crate) platform: Platform,
    pub(crate) connections: Connections,
    pub(crate) newcomer: Arc<Device>,
    pub(crate) stranger: Arc<Device>,
    pub(crate) times: Times,
}

impl Scene {
    /// Two devices show v1, a third is enrolled and off, and a fourth is there. Tokens last so long,
    /// if life times are to be short.
    pub(crate) async fn start(name: &str, tokens: Duration) -> Self {
        let times = Times::wanted();
        let shorter: &[&str] = if times.short {
            &["--policy-ttl", "1", "--jwks-ttl", "1"]
        } else {
            &[]
        };
        let chain = ChainOptions {
            callout: shorter.iter().map(|&text| text.to_owned()).collect(),
            enrolment: Vec::new(),
        };
        let wanted = Wanted {
            name,
            devices: &MEMBERS,
            heartbeat: Some(2),
            operator: Place::Process,
            login: Login::Chain(chain),
        };
        let platform = Platform::start_wanted(wanted, |step| println!("{step}"));
        let platform = Box::pin(platform).await.expect("starts");
        if times.short {
            platform
                .bed
                .idp()
                .expect("there")
                .set_token_lifetime(tokens);
        }
        let scene = Self {
            connections: Connections::of(&platform.bed).await.expect("asked"),
            newcomer: device(&platform, NEWCOMER).await,
            stranger: device(&platform, STRANGER).await,
            platform,
            times,
        };
        scene.held(Box::pin(scene.settle()).await);
        scene
    }

    async fn settle(&self) -> Result<(), Error> {
        self.identity()?.enrol(&self.newcomer).await?;
        for id in MEMBERS {
            // From here on with tokens that last as long as is wanted now.
            let device = self.platform.bed.device(id)?;
            device.stop_agent().await?;
            device.start_agent().await?;
            rollout::select(&self.platform, id).await?;
        }
        rollout::roll_out(&self.platform, "v1", &MEMBERS).await?;
        for id in MEMBERS {
            self.connected(id).await?;
        }
        Ok(())
    }

    /// Fails with what everybody said.
    pub(crate) fn held(&self, outcome: Result<(), Error>) {
        let Err(error) = outcome else { return };
        for device in self.platform.bed.devices() {
            let id = device.id();
            eprintln!("--- enrolment of {id}\n{}", device.enrolling().log());
            eprintln!("--- agent of {id}\n{}", device.agent_log());
        }
        let identity = self.identity().expect("a chain");
        eprintln!("--- callout\n{}", identity.callout.log());
        eprintln!("--- enrolment service\n{}", identity.enrolment.log());
        panic!("{error}: {error:?}");
    }

    pub(crate) fn identity(&self) -> Result<&Identity, Error> {
        self.platform.identity()
    }

    pub(crate) async fn connected(&self, device: &str) -> Result<(), Error> {
        let reached = self.connections.until(device, State::Connected, SOON);
        reached.await.map(drop)
    }

    /// The connection of a device is cut, as a bad network would.
    pub(crate) async fn cut(&self, device: &str) -> Result<(), Error> {
        let nats = self.platform.bed.nats()?;
        let settings = ConnectSettings {
            url: nats.url(),
            seed_file: nats.enforcer_seed(),
            name: "scissors".to_owned(),
            ca_file: None,
        };
        let cut = |error: &dyn std::fmt::Display| Error::Unexpected(format!("not cut: {error}"));
        let bus = SystemBus::connect(&settings).await.map_err(|e| cut(&e))?;
        let device = device.parse().map_err(|e| cut(&e))?;
        let closed = bus.close_all(&device).await.map_err(|e| cut(&e))?;
        assert_eq!(closed.len(), 1, "the connections of {device}");
        Ok(())
    }

    /// All connections are cut at once, and the bus has forgotten who was there.
    pub(crate) async fn restart_nats(&self) -> Result<(), Error> {
        let nats = self.platform.bed.nats()?;
        nats.kill().await?;
        Ok(nats.start().await?)
    }

    /// Until the log of a device says this.
    pub(crate) async fn says(&self, device: &str, text: &str) -> Result<(), Error> {
        let device = self.platform.bed.device(device)?;
        let said = || async { device.agent_log().contains(text) };
        expect(SOON, format!("{} says {text:?}", device.id()), said).await
    }

    /// Until a line of the callout about a device says all of this.
    pub(crate) async fn judged(&self, device: &str, texts: &[&str]) -> Result<(), Error> {
        let (callout, about) = (&self.identity()?.callout, format!("device=\"{device}\""));
        let said = || async {
            let log = callout.log();
            let mut lines = log.lines().filter(|line| line.contains(&about));
            lines.any(|line| texts.iter().all(|text| line.contains(text)))
        };
        expect(
            SOON,
            format!("the callout says {texts:?} of {device}"),
            said,
        )
        .await
    }

    /// Until the callout counts something.
    pub(crate) async fn counted(&self, sample: &str, limit: Duration) -> Result<(), Error> {
        let address = self.identity()?.callout.metrics_addr();
        let counted = || async {
            let page = http::text(address, "/metrics").await.unwrap_or_default();
            page.lines().any(|line| line.starts_with(sample))
        };
        expect(limit, format!("the callout counts {sample}"), counted).await
    }

    /// Somebody new asks to join and is approved; why it does not get its identity is in its enrolment
    /// and on its own screen.
    pub(crate) async fn stranger_waits(&self, reason: &str) -> Result<(), Error> {
        let identity = self.identity()?;
        let name = identity.ask(&self.stranger).await?;
        identity.approve(&name).await?;
        let enrolments: Api<DeviceEnrolment> = Api::all(self.platform.client.clone());
        let why = || async {
            let found = enrolments.get(&name).await.ok();
            let status = found.and_then(|found| found.status).unwrap_or_default();
            let mut conditions = status.conditions.iter().filter(|c| c.type_ == "Ready");
            conditions.any(|c| (c.status.as_str(), c.reason.as_str()) == ("False", reason))
        };
        expect(SOON, format!("the enrolment is not ready: {reason}"), why).await?;
        let told = format!("approved; the fleet cannot finish it yet: {reason}");
        let is_told = || async { self.stranger.enrolling().log().contains(&told) };
        expect(SOON, format!("the device says {told:?}"), is_told).await?;
        assert!(!self.stranger.is_enrolled());
        assert!(self.stranger.enrolling().pid().is_some(), "it waits");
        Ok(())
    }

    /// The outage goes on for as long as it is to, and meanwhile these devices are connected.
    pub(crate) async fn stay(&self, devices: &[&str], since: Instant) -> Result<(), Error> {
        let seen: Vec<_> = devices.iter().map(|_| Cell::new(Instant::now())).collect();
        let missed = Cell::new(None);
        let over = || async {
            for (device, seen) in devices.iter().zip(&seen) {
                if self.connections.number(device).await.is_ok_and(|n| n > 0) {
                    seen.set(Instant::now());
                }
                if seen.get().elapsed() > BLINK {
                    missed.set(Some(*device));
                }
            }
            missed.get().is_some() || since.elapsed() >= self.times.outage
        };
        wait::until(self.times.outage, over).await;
        match missed.get() {
            Some(device) => Err(Error::Unexpected(format!("{device} lost the bus"))),
            None => Ok(()),
        }
    }

    /// Nobody does anything, and everybody is there with what was asked for last.
    pub(crate) async fn recovers(&self, version: &str) -> Result<(), Error> {
        self.connected(NEWCOMER).await?;
        self.identity()?.wait_enrolled(&self.stranger).await?;
        // A service of the device would start it once its identity is there.
        self.stranger.start_agent().await?;
        let everybody = [MEMBERS[0], MEMBERS[1], NEWCOMER, STRANGER];
        for id in everybody {
            self.connected(id).await?;
            let is_reachable = |device: &fleet_api::Device| {
                let status = device.status.as_ref();
                let mut conditions = status.into_iter().flat_map(|s| &s.conditions);
                conditions.any(|c| c.type_ == "Reachable" && c.status == "True")
            };
            let what = "is reachable";
            self.platform.wait_device(id, what, is_reachable).await?;
            rollout::select(&self.platform, id).await?;
        }
        rollout::roll_out(&self.platform, version, &everybody).await
    }

    /// The processes of everybody who is not away; none of them may be another after the outage.
    pub(crate) fn processes(&self) -> Result<Vec<Option<u32>>, Error> {
        let identity = self.identity()?;
        let mut all = vec![identity.enrolment.service().pid()];
        for id in MEMBERS {
            all.push(self.platform.bed.device(id)?.agent().pid());
        }
        Ok(all)
    }
}

async fn device(platform: &Platform, id: &str) -> Arc<Device> {
    let device = platform.bed.add_device(id).await.expect("there");
    for version in ["v1", "v2"] {
        let image = workload::image(version);
        device.load_image(&image, version).await.expect("loaded");
    }
    device
}
