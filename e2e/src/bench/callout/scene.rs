//! A bus with its callout, and tokens for as many devices as wanted.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fleet_bus::Bus;
use fleet_bus::stream::{StreamSettings, ensure_all};
use fleet_contracts::DeviceId;
use fleet_testbed::{Callout, CalloutOptions, Testbed};
use serde_json::json;

use crate::platform::expect;
use crate::{Error, http};

/// Longer than the benchmark takes.
const TOKEN_LIFE: Duration = Duration::from_secs(3_000);
/// For a service to come up.
const START: Duration = Duration::from_secs(30);

/// A device and its token.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) device: DeviceId,
    pub(super) token: String,
}

/// The servers. The callout is declared first so that it is stopped first.
pub(super) struct Scene {
    pub(super) callout: Callout,
    pub(super) bed: Testbed,
}

impl Scene {
    /// Starts them.
    pub(super) async fn start(say: &impl Fn(&str)) -> Result<Self, Error> {
        say("starting NATS, an identity provider and the auth callout");
        let bed = Box::pin(Testbed::builder("bench-callout").idp().callout().start()).await?;
        let bus = Bus::over(bed.nats()?.operator_client().await?);
        let made = ensure_all(bus.context(), &StreamSettings::default()).await;
        made.map_err(|e| Error::Unexpected(format!("the buckets cannot be made: {e}")))?;
        let (idp, policies) = (bed.idp()?, policy_file(&bed));
        write_policies(&bed, None)?;
        let options = CalloutOptions::default()
            .believing(idp)
            .args(["--policy-file", &policies.display().to_string()]);
        let callout = bed.start_callout(options)?;
        let address = callout.metrics_addr();
        let ready = || async { http::status(address, "/readyz").await == Some(200) };
        expect(START, "the callout is ready".into(), ready).await?;
        Ok(Self { callout, bed })
    }

    /// Tokens for this many devices whose ids begin with `prefix`.
    pub(super) fn tokens(
        &self,
        prefix: &str,
        number: usize,
        say: &impl Fn(&str),
    ) -> Result<Vec<Holder>, Error> {
        say(&format!("signing {number} tokens"));
        (0..number)
            .map(|index| self.token(&format!("{prefix}-{index:05}")))
            .collect()
    }

    fn token(&self, device: &str) -> Result<Holder, Error> {
        let unexpected = |what: String| Error::Unexpected(format!("no token for {device}: {what}"));
        let id = device.parse::<DeviceId>();
        let id = id.map_err(|e| unexpected(e.to_string()))?;
        let minted = self.bed.idp()?.minter().mint(&id, TOKEN_LIFE);
        Ok(Holder {
            token: minted.map_err(|e| unexpected(e.to_string()))?,
            device: id,
        })
    }

    /// Denies this device, and nobody else.
    pub(super) fn deny(&self, device: &DeviceId) -> Result<(), Error> {
        write_policies(&self.bed, Some(device))
    }

    /// The callout's process.
    pub(super) fn callout_pid(&self) -> Result<u32, Error> {
        let pid = self.callout.service().pid();
        pid.ok_or_else(|| Error::Unexpected("the callout does not run".into()))
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn policy_file(bed: &Testbed) -> PathBuf {
    bed.folder().join("policies.json")
}

fn write_policies(bed: &Testbed, denied: Option<&DeviceId>) -> Result<(), Error> {
    let devices: serde_json::Map<_, _> = denied
        .iter()
        .map(|device| (device.to_string(), json!({"denied": true})))
        .collect();
    let (path, staged) = (policy_file(bed), bed.folder().join("policies.new"));
    let text = json!({"default": {}, "devices": devices}).to_string();
    // Beside it first: a half-written file is never seen.
    let written = std::fs::write(&staged, text).and_then(|()| std::fs::rename(&staged, &path));
    written.map_err(|e| Error::Unexpected(format!("cannot write {}: {e}", path.display())))
}
