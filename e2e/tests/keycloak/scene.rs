//! A bus with a callout that believes one realm.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use fleet_testbed::{Callout, CalloutOptions, Testbed, wait};

use crate::agent::{Agent, Login};
use crate::provider::{AUDIENCE, Provider};

/// Long enough for a machine that compiles at the same time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// In the audit line of a device that was let in.
pub(crate) const ADMITTED: &str = "reason=\"Admitted\"";

pub(crate) struct Scene {
    callout: Callout,
    bed: Testbed,
    pub(crate) provider: Arc<Provider>,
}

impl Scene {
    /// As a user sets the callout up for Keycloak.
    pub(crate) async fn start(provider: Arc<Provider>, realm: &str) -> Self {
        let bed = Testbed::builder("keycloak-bus").callout().start().await;
        let bed = bed.expect("a bus");
        let policies = bed.folder().join("policies.json");
        fs::write(&policies, r#"{"default": {}}"#).expect("written");
        let keycloak = provider.keycloak();
        let options = CalloutOptions::default()
            .args(["--oidc-issuer", &keycloak.issuer(realm)])
            .args(["--oidc-ca-file".into(), path(&keycloak.ca_file())])
            .args(["--oidc-audience", AUDIENCE, "--oidc-single-organisation"])
            .args(["--oidc-role-claim", "/realm_access/roles"])
            .args(["--oidc-device-claim", "/device_id"])
            .args(["--oidc-device-encoding", "plain"])
            .args(["--policy-file".into(), path(&policies)])
            // So that a test need not wait for it.
            .args(["--jwks-min-interval", "0.5"]);
        let callout = bed.start_callout(options).expect("started");
        Self {
            callout,
            bed,
            provider,
        }
    }

    /// Starts the agent of a device that is a client of `realm`.
    pub(crate) fn device(&self, realm: &str, device: &str) -> Agent {
        let keycloak = self.provider.keycloak();
        Agent::start(&Login {
            device,
            issuer: &keycloak.issuer(realm),
            ca_file: path(&keycloak.ca_file()),
            nats_url: self.bed.nats().expect("a bus").url(),
            key: &self.provider.key,
        })
    }

    /// What the callout decided about tokens with all of these words in its audit line.
    pub(crate) fn verdicts(&self, words: &[&str]) -> Vec<String> {
        let log = self.callout.log();
        let lines = log.lines().filter(|line| line.contains(" audit: "));
        let all = |line: &&str| words.iter().all(|word| line.contains(word));
        lines.filter(all).map(str::to_owned).collect()
    }

    /// Until the callout has decided something with these words in it.
    pub(crate) async fn until_verdict(&self, words: &[&str], agent: &Agent) {
        let decided = || async { !self.verdicts(words).is_empty() };
        assert!(
            wait::until(SOON, decided).await,
            "no verdict with {words:?}; the callout says:\n{}\nthe agent says:\n{}",
            self.callout.log(),
            agent.log()
        );
    }
}

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}
