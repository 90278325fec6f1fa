//! The auth callout, and tokens for devices that log in through it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_bus::async_nats::{Auth, AuthError};
use fleet_contracts::DeviceId;
use fleet_testbed::{Callout, CalloutOptions, Minter, Testbed};

use super::metrics::{is_ok, sum};
use super::until;
use crate::Error;
use crate::record::Record;

/// For the callout to come up.
const START: Duration = Duration::from_secs(60);
/// Of a token. Connections end with it, as they do in an installation.
const LIFE: Duration = Duration::from_secs(3_000);
/// A token is presented again until it has no longer to live than this.
const LEFT: Duration = Duration::from_secs(120);

/// A running callout.
#[derive(Debug)]
pub struct Door {
    /// Its process.
    pub callout: Callout,
    minter: Minter,
}

impl Door {
    /// Starts the callout of a testbed with a bus that asks one. Nobody is denied.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(bed: &Testbed) -> Result<Self, Error> {
        let policies = bed.folder().join("policies.json");
        let written = std::fs::write(&policies, r#"{"default": {}, "devices": {}}"#);
        written.map_err(Error::file(&policies))?;
        let idp = bed.idp()?;
        let options = CalloutOptions::default()
            .believing(idp)
            .args(["--policy-file", &policies.display().to_string()]);
        let callout = bed.start_callout(options)?;
        let minter = idp.minter();
        let door = Self { callout, minter };
        let ready = || async {
            let page = door.callout.page("/readyz").await;
            page.is_some_and(|page| is_ok(&page))
        };
        until(START, "the auth callout is ready", ready).await?;
        Ok(door)
    }

    /// What a device shows at the door.
    pub fn badge(&self, device: &DeviceId) -> Badge {
        Badge(Arc::new(Holder {
            device: device.clone(),
            minter: self.minter.clone(),
            token: Mutex::default(),
        }))
    }

    /// Notes how many logins it decided, and that it turned nobody away.
    pub async fn note(&self, record: &Record) {
        let Some(page) = self.callout.page("/metrics").await else {
            record.check("the auth callout answers", false, "no metrics");
            return;
        };
        let all = sum(&page, "fleet_auth_verdicts_total");
        let admitted = verdicts(&page, "Admitted");
        record.figure("callout_verdicts", all);
        let found = format!("{admitted} of {all} were let in");
        let held = admitted > 0.0 && (all - admitted).abs() < 0.5;
        record.check("the auth callout lets every device in", held, found);
    }
}

/// How often the callout decided so.
fn verdicts(page: &str, reason: &str) -> f64 {
    let wanted = format!("fleet_auth_verdicts_total{{reason=\"{reason}\"}} ");
    let values = page.lines().filter_map(|line| line.strip_prefix(&wanted));
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// A device's own token.
#[derive(Debug, Clone)]
pub struct Badge(Arc<Holder>);

#[derive(Debug)]
struct Holder {
    device: DeviceId,
    minter: Minter,
    /// With the moment from which it is no longer presented.
    token: Mutex<Option<(String, Instant)>>,
}

impl Badge {
    /// What to log in with: the last token while it is good for a while, else a new one.
    ///
    /// # Errors
    /// When none can be signed.
    pub fn present(&self) -> Result<Auth, AuthError> {
        let Holder {
            device,
            minter,
            token,
        } = &*self.0;
        let mut kept = token.lock().unwrap_or_else(PoisonError::into_inner);
        let good = kept.take_if(|(_, until)| *until > Instant::now());
        let (text, until) = if let Some(good) = good {
            good
        } else {
            let minted = minter.mint(device, LIFE).map_err(AuthError::new)?;
            (minted, Instant::now() + LIFE.saturating_sub(LEFT))
        };
        let mut auth = Auth::new();
        auth.token = Some(text.clone());
        *kept = Some((text, until));
        Ok(auth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_told_apart_by_their_reason() {
        let page = "fleet_auth_verdicts_total{reason=\"Admitted\"} 90\n\
            fleet_auth_verdicts_total{reason=\"RateLimited\"} 10\n";
        let all = sum(page, "fleet_auth_verdicts_total");
        let found = format!("{} of {all}", verdicts(page, "Admitted"));
        assert_eq!(found, "90 of 100");
    }
}
