//! Provider, callout, bus, and one device.

use std::time::Duration;

use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Callout, CalloutOptions, Idp, MachineKey, Testbed, wait};
use serde_json::json;

use crate::agent::Agent;

/// Long enough for a machine that compiles at the same time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) const CONNECTED: &str = "connected to the bus";

pub(crate) struct Chain {
    pub(crate) agent: Agent,
    pub(crate) callout: Callout,
    pub(crate) machine: MachineKey,
    bus: Bus,
    pub(crate) bed: Testbed,
}

impl Chain {
    /// Everything but the agent runs.
    pub(crate) async fn new(name: &str) -> Self {
        // Boxed, as all tests' futures would be too large for a stack otherwise.
        let bed = Box::pin(Testbed::builder(name).idp().callout().start()).await;
        let bed = bed.expect("testbed");
        let nats = bed.nats().expect("nats");
        let bus = Bus::over(nats.operator_client().await.expect("client"));
        let settings = fleet_bus::stream::StreamSettings::default();
        let streams = fleet_bus::stream::ensure_all(bus.context(), &settings).await;
        streams.expect("streams");
        let idp = bed.idp().expect("idp");
        let machine = idp.machine("dev-1", &["device"]).expect("a machine");
        // "dev-1" in base64, as the API takes values.
        let metadata = json!([{"key": "device-id", "value": "ZGV2LTE="}]);
        let request = json!({"userId": machine.user, "metadata": metadata});
        idp.call("SetUserMetadata", request).expect("metadata");
        let agent = Agent::new();
        let policies = agent.write_private("policies.json", r#"{"default": {}}"#);
        let ca = idp.ca_file().display().to_string();
        let options = CalloutOptions::default()
            .args([
                "--oidc-issuer",
                &idp.issuer(),
                "--oidc-audience",
                idp.project(),
            ])
            .args([
                "--oidc-organisation",
                idp.organisation(),
                "--oidc-ca-file",
                &ca,
            ])
            .args(["--policy-file", &policies.display().to_string()]);
        let callout = bed.start_callout(options).expect("callout");
        let chain = Self {
            agent,
            callout,
            machine,
            bus,
            bed,
        };
        let (user, key, project) = (
            &chain.machine.user,
            &chain.machine.key_id,
            chain.idp().project(),
        );
        chain.configure(&format!(
            "user_id = \"{user}\"\nkey_id = \"{key}\"\nproject_id = \"{project}\""
        ));
        chain
    }

    /// The same with its agent connected.
    pub(crate) async fn connected(name: &str) -> Self {
        // Boxed for the same reason.
        let mut chain = Box::pin(Self::new(name)).await;
        chain.agent.start();
        Box::pin(chain.until_introduced()).await;
        chain
    }

    /// Writes the agent's configuration; `who` is the part of `[identity]` that says who it is.
    pub(crate) fn configure(&self, who: &str) {
        let idp = self.idp();
        let key_file = self
            .agent
            .write_private("device-key.pem", &self.machine.private_pem);
        let sections = format!(
            "[nats]\nurl = \"{}\"\n\
             [manifest]\ntrusted_keys = [\"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"]\n\
             [heartbeat]\nperiod_seconds = 1\n\
             [identity]\nissuer = \"{}\"\nkey_file = \"{}\"\nca_file = \"{}\"\n{who}\n",
            self.bed.nats().expect("nats").url(),
            idp.issuer(),
            key_file.display(),
            idp.ca_file().display(),
        );
        self.agent.write_config("device_id = \"dev-1\"", &sections);
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.bed.idp().expect("idp")
    }

    /// Until the device has said on the bus what it is.
    pub(crate) async fn until_introduced(&self) {
        self.until("introduced", || async {
            let stored = self.bus.get(Bucket::DeviceInfo, "dev-1").await;
            stored.is_ok_and(|s| s.is_some())
        })
        .await;
    }

    /// Until something was logged so often.
    pub(crate) async fn until_logged(&self, text: &str, times: usize) {
        let logged = || async { self.agent.logged(text) >= times };
        self.until(text, logged).await;
    }

    pub(crate) async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        predicate: impl Fn() -> F,
    ) {
        assert!(
            wait::until(SOON, predicate).await,
            "never {what}; the agent says:\n{}\nthe callout says:\n{}",
            self.agent.log(),
            self.callout.log(),
        );
    }

    pub(crate) async fn restart_nats(&self) {
        let nats = self.bed.nats().expect("nats");
        nats.kill().await.expect("killed");
        nats.start().await.expect("started");
    }
}
