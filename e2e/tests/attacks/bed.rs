//! Servers, provider and callout, shared by the tests that attack them at the same time: a cluster for
//! each of them would take minutes. Every test has devices of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fleet_bus::{Bus, StreamSettings, stream};
use fleet_e2e::http;
use fleet_testbed::{Callout, CalloutOptions, Testbed, wait};
use tokio::sync::Mutex;

/// For what takes a moment on a machine that also compiles.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// How many servers the bus has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    One,
    Three,
}

/// A bus that asks a callout, which believes the provider and lets in every device.
pub(crate) struct Bed {
    /// Before the testbed, so that it is stopped first.
    pub(crate) callout: Callout,
    pub(crate) bed: Testbed,
}

/// What runs at this moment; the last test that uses it stops it.
static ONE: Mutex<Weak<Bed>> = Mutex::const_new(Weak::new());
static THREE: Mutex<Weak<Bed>> = Mutex::const_new(Weak::new());

impl Bed {
    pub(crate) async fn shared(servers: Servers) -> Arc<Self> {
        let place = match servers {
            Servers::One => &ONE,
            Servers::Three => &THREE,
        };
        let mut place = place.lock().await;
        if let Some(running) = place.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start(servers).await);
        *place = Arc::downgrade(&started);
        started
    }

    async fn start(servers: Servers) -> Self {
        let bed = without_callout(servers, "attacks").await;
        let idp = bed.idp().expect("idp");
        let policies = bed.folder().join("policies.json");
        std::fs::write(&policies, r#"{"default": {}}"#).expect("written");
        let options = CalloutOptions::default()
            .args(["--oidc-issuer", &idp.issuer()])
            .args(["--oidc-audience", idp.project()])
            .args(["--oidc-organisation", idp.organisation()])
            .args(["--oidc-ca-file".into(), idp.ca_file().display().to_string()])
            .args(["--policy-file".into(), policies.display().to_string()])
            // All attackers come from one address, which would soon have to wait.
            .args(["--failure-burst", "100000"]);
        let callout = bed.start_callout(options).expect("callout");
        let ready = || async { http::status(callout.metrics_addr(), "/readyz").await == Some(200) };
        assert!(wait::until(SOON, ready).await, "{}", callout.log());
        let bus = operator(&bed).await;
        let settings = StreamSettings {
            replicas: match servers {
                Servers::One => 1,
                Servers::Three => 3,
            },
            ..StreamSettings::default()
        };
        // A cluster elects who keeps what before it makes a stream.
        let made = || async { stream::ensure_all(bus.context(), &settings).await.is_ok() };
        assert!(wait::until(SOON, made).await, "the streams are made");
        Self { callout, bed }
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
