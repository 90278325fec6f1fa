//! One Keycloak for all tests of this program.

use std::io::Write as _;
use std::sync::{Arc, Weak};

use fleet_testbed::{ClientKey, DeviceClient, Keycloak, Realm, Testbed};
use tokio::sync::Mutex;

/// What devices' tokens are for.
pub(crate) const AUDIENCE: &str = "fleet";

/// The realm of the fleet.
pub(crate) const FLEET: &str = "fleet";

/// A realm of somebody else on the same server.
pub(crate) const NEIGHBOUR: &str = "neighbour";

/// A realm whose keys are replaced.
pub(crate) const ROTATING: &str = "rotating";

/// The application that people log in to.
pub(crate) const APPLICATION: &str = "fleet-cli";

/// The same application, whose tokens end soon.
pub(crate) const BRIEF: &str = "fleet-brief";

/// Long enough to be used once, on a machine that also compiles.
const BRIEF_SECONDS: u32 = 20;

/// Somebody else's application in the fleet's realm.
pub(crate) const OTHER: &str = "shop";

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The key of every device here: they are told apart by their clients.
pub(crate) const KEY: &str = "device-key";

/// A running Keycloak.
pub(crate) struct Provider {
    bed: Testbed,
    pub(crate) key: ClientKey,
}

/// Tests that run at the same time share one, and the last one stops it.
static SHARED: Mutex<Weak<Provider>> = Mutex::const_new(Weak::new());

impl Provider {
    /// The one that runs, or a new one; none, with a line that says so, where none can be had.
    pub(crate) async fn shared(what: &str) -> Option<Arc<Self>> {
        if let Err(why) = Keycloak::supported() {
            // Not with a macro: the harness would keep it to itself.
            writeln!(std::io::stderr(), "skipped: {what}: {why}").expect("standard error");
            return None;
        }
        let mut shared = SHARED.lock().await;
        if let Some(provider) = shared.upgrade() {
            return Some(provider);
        }
        let provider = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&provider);
        Some(provider)
    }

    async fn start() -> Self {
        let key = ClientKey::generate(KEY).expect("a key");
        let device = |id| DeviceClient {
            id,
            key: &key,
            audience: AUDIENCE,
            roles: &["device"],
            enabled: true,
        };
        let fleet = Realm::new(FLEET)
            .roles(["device", "fleet-viewer", "shop-editor", "fleet-admin"])
            .application(APPLICATION)
            .application(OTHER)
            .brief_application(BRIEF, BRIEF_SECONDS)
            .person("vera", PASSWORD, &["fleet-viewer"])
            .person("edda", PASSWORD, &["shop-editor"])
            .person("adam", PASSWORD, &["fleet-admin"])
            .person("nora", PASSWORD, &[])
            .device(&device("dev-1"))
            .device(&DeviceClient {
                audience: APPLICATION,
                ..device("dev-person")
            })
            .device(&DeviceClient {
                audience: APPLICATION,
                roles: &["fleet-admin"],
                ..device("dev-admin")
            })
            .device(&DeviceClient {
                roles: &["fleet-viewer"],
                ..device("dev-no-role")
            })
            .device(&DeviceClient {
                audience: "another-platform",
                ..device("dev-audience")
            })
            .device(&DeviceClient {
                enabled: false,
                ..device("dev-off")
            });
        let realm = |name| {
            let realm = Realm::new(name).roles(["device", "fleet-admin"]);
            let realm = realm.application(APPLICATION).device(&device("dev-1"));
            realm.person("adam", PASSWORD, &["fleet-admin"])
        };
        let bed = Testbed::builder("keycloak")
            .keycloak([fleet, realm(NEIGHBOUR), realm(ROTATING)])
            .start()
            .await
            .expect("keycloak");
        Self { bed, key }
    }

    pub(crate) fn keycloak(&self) -> &Keycloak {
        self.bed.keycloak().expect("keycloak")
    }
}
