//! Servers, provider and callout, shared by the tests that attack them at the same time: a cluster for
//! each of them would take minutes. Every test has devices of its own.

use std::time::Duration;

use fleet_bus::{Bus, StreamSettings, stream};
use fleet_e2e::http;
use fleet_testbed::{Callout, CalloutOptions, Lease, Shared, Testbed, wait};
use serde_json::json;

use crate::claims;
use crate::wire::Wire;

/// For what takes a moment on a machine that also compiles.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// How many servers the bus has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    One,
    Three,
}

impl Servers {
    /// To which one the attacker speaks. In a cluster, platform, attacker and victim are on three.
    pub(crate) fn of_attacker(self) -> usize {
        match self {
            Self::One => 0,
            Self::Three => 1,
        }
    }

    pub(crate) fn of_victim(self) -> usize {
        match self {
            Self::One => 0,
            Self::Three => 2,
        }
    }
}

/// A bus that asks a callout, which believes the provider and lets in every device.
pub(crate) struct Bed {
    /// Before the testbed, so that it is stopped first.
    pub(crate) callout: Callout,
    pub(crate) testbed: Testbed,
    pub(crate) servers: Servers,
}

/// One for each kind of bus, for all attacks but those on the callout itself.
static ONE: Shared<Bed> = Shared::new(|test| is_here(test) && test.contains("::single::"));
static THREE: Shared<Bed> = Shared::new(|test| is_here(test) && test.contains("::cluster::"));

fn is_here(test: &str) -> bool {
    !test.starts_with("callout::")
}

impl Bed {
    pub(crate) async fn shared(servers: Servers) -> Lease<Self> {
        let place = match servers {
            Servers::One => &ONE,
            Servers::Three => &THREE,
        };
        place
            .lease(move || Self::start(servers))
            .await
            .expect("leased")
    }

    async fn start(servers: Servers) -> Self {
        let bed = without_callout(servers, "attacks").await;
        let idp = bed.idp().expect("idp");
        let policies = bed.folder().join("policies.json");
        std::fs::write(&policies, r#"{"default": {}}"#).expect("written");
        let options = CalloutOptions::default()
            .believing(idp)
            .args(["--policy-file".into(), policies.display().to_string()])
            // All attackers come from one address, which would soon have to wait.
            .args(["--failure-burst", "100000"]);
        let callout = bed.start_callout(options).expect("callout");
        let ready = || async { http::status(callout.metrics_addr(), "/readyz").await == Some(200) };
        assert!(wait::until(SOON, ready).await, "{}", callout.log());
        let settings = StreamSettings {
            replicas: match servers {
                Servers::One => 1,
                Servers::Three => 3,
            },
            ..StreamSettings::default()
        };
        let started = Self {
            callout,
            testbed: bed,
            servers,
        };
        started.until_all_ask().await;
        let bus = operator(&started.testbed).await;
        // A cluster elects who keeps what before it makes a stream.
        let made = || async { stream::ensure_all(bus.context(), &settings).await.is_ok() };
        assert!(wait::until(SOON, made).await, "the streams are made");
        started
    }

    /// Every server knows of the callout once it has let somebody in.
    async fn until_all_ask(&self) {
        let (idp, nats) = (
            self.testbed.idp().expect("idp"),
            self.testbed.nats().expect("a bus"),
        );
        let token = claims::signed(idp, &claims::of_device(idp, "first"));
        for server in 0..nats.servers() {
            let let_in = || async {
                let mut wire = Wire::open(nats.server_address(server)).await;
                wire.log_in(json!({"auth_token": token, "name": "first"}))
                    .await
            };
            assert!(wait::until(SOON, let_in).await, "{}", self.callout.log());
        }
    }
}

/// The same before anybody answers for the callout.
pub(crate) async fn without_callout(servers: Servers, name: &str) -> Testbed {
    let builder = Testbed::builder(name).idp().callout();
    let builder = match servers {
        Servers::One => builder,
        Servers::Three => builder.nats_cluster(3),
    };
    Box::pin(builder.start()).await.expect("testbed")
}

/// The platform's own connection.
pub(crate) async fn operator(bed: &Testbed) -> Bus {
    let nats = bed.nats().expect("a bus");
    Bus::over(
        nats.operator_client()
            .await
            .expect("the operator is let in"),
    )
}
