//! Which device is where: replicas tell each other whom they let in.
//!
//! From that each knows which connection a login replaces, and the one that let it in has the old one
//! closed: as with MQTT, the last one stays. Each also sees the same order of tokens, and so comes to the
//! same finding about clones without asking the others.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_auth_core::clones::Sightings;
use fleet_auth_core::{Fingerprint, OnClone};
use fleet_bus::connect::reconnect_delay;
use fleet_bus::system::Closed;
use fleet_bus::{Bus, Place};
use fleet_contracts::DeviceId;
use fleet_service::chain;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::enforce::System;
use crate::metrics::Metrics;
use crate::policy::PolicySource;
use crate::{audit, clock};

/// Where replicas tell each other, in the account of the callout.
const SUBJECT: &str = "fleet.auth.admitted";
/// How long a connection that is replaced waits for somebody who can close it.
const SYSTEM: Duration = Duration::from_secs(60);
/// A login that is heard of after a later one was made at most so long before that.
const OVERTAKEN_MS: u64 = 5_000;
/// A finding that cannot be written down is tried again this often, with growing pauses.
const ATTEMPTS: u32 = 5;

/// A device was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// The device.
    pub device: DeviceId,
    /// What it presented.
    pub token: Fingerprint,
    /// The server it is connected to.
    pub server: String,
    /// The connection's number there.
    pub client: u64,
    /// The address it comes from.
    pub source: String,
    /// What its policy says about clones.
    pub on_clone: Option<OnClone>,
    /// When, by the clock of who let it in, in milliseconds since 1970. Replicas of versions before this
    /// do not say.
    #[serde(default)]
    pub at: u64,
}

/// A connection, and since when a replica knows of it.
#[derive(Debug, Clone)]
struct Seen {
    place: Place,
    at: u64,
    /// Whether this replica let it in.
    ours: bool,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

/// Of one server's connections the older has the lower number. Those of two servers may be heard of in
/// the wrong order, for replicas hear themselves sooner than each other. So a login is older that says so,
/// unless by so much that clocks must differ; where they do by less, a device that moves logs in twice.
impl PartialOrd for Seen {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let of_clocks = || {
            let both_say = self.at > 0 && other.at > 0;
            let near = self.at.abs_diff(other.at) < OVERTAKEN_MS;
            (both_say && near).then(|| self.at.cmp(&other.at))
        };
        self.place.partial_cmp(&other.place).or_else(of_clocks)
    }
}

/// The same as it travels.
#[derive(Debug, Serialize, Deserialize)]
struct Announcement {
    /// Who let it in.
    replica: u64,
    #[serde(flatten)]
    admission: Admission,
}

/// What one replica knows of all connections.
#[derive(Debug)]
pub struct Presence<P> {
    /// Where connections are closed; none if nobody ever can.
    pub system: Option<System>,
    /// Where clones are denied.
    pub policies: P,
    /// What happens with clones where their policy says nothing.
    pub on_clone: OnClone,
    /// What happened.
    pub metrics: Arc<Metrics>,
    /// This replica, among the others.
    pub replica: u64,
}

/// Tells the others; a loss costs no more than that an old connection lives on until the server misses
/// it.
pub(super) async fn announce(bus: &Bus, replica: u64, admission: Admission) {
    let announcement = Announcement { replica, admission };
    let Ok(body) = serde_json::to_vec(&announcement) else {
        return;
    };
    if bus.client().publish(SUBJECT, body.into()).await.is_err() {
        tracing::debug!("the connection is closed; the other replicas were not told");
    }
}

impl<P: PolicySource + Clone> Presence<P> {
    /// Listens until `stop`.
    pub async fn follow(self, bus: Bus, stop: CancellationToken) {
        let this = Arc::new(self);
        let sightings = Mutex::default();
        let tasks = TaskTracker::new();
        let mut attempt = 0;
        loop {
            match bus.client().subscribe(SUBJECT).await {
                Ok(mut announced) => {
                    while let Some(Some(message)) = stop.run_until_cancelled(announced.next()).await
                    {
                        if let Ok(announcement) = serde_json::from_slice(&message.payload) {
                            Self::heard(&this, &sightings, announcement, &tasks);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "other replicas are not heard");
                }
            }
            attempt += 1;
            let pause = tokio::time::sleep(reconnect_delay(attempt));
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    fn heard(
        this: &Arc<Self>,
        sightings: &Mutex<Sightings<Seen>>,
        announcement: Announcement,
        tasks: &TaskTracker,
    ) {
        let Announcement { replica, admission } = announcement;
        let ours = replica == this.replica;
        let seen = Seen {
            place: Place {
                server: admission.server.clone(),
                client: admission.client,
            },
            at: admission.at,
            ours,
        };
        let noticed = sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admitted(&admission.device, &admission.token, &seen, clock::now());
        // Where the order was not clear, both who let one in close the older.
        let closes = ours || noticed.standing.ours;
        if let (Some(replaced), true) = (noticed.replaced, closes) {
            let (this, device) = (Arc::clone(this), admission.device.clone());
            tasks.spawn(async move { this.replace(&device, &replaced.place).await });
        }
        if noticed.cloned {
            let this = Arc::clone(this);
            tasks.spawn(async move { this.cloned(&admission, ours).await });
        }
    }

    /// Closes the connection that a newer one replaces. Mostly it is gone already.
    async fn replace(&self, device: &DeviceId, replaced: &Place) {
        // At the start, logins may be answered before anything can be closed.
        let Some(system) = &self.system else { return };
        let system = tokio::time::timeout(SYSTEM, system.wait()).await;
        let Ok(system) = system else { return };
        match system.close(replaced).await {
            Ok(Closed::Now) => {
                self.metrics.closed("Replaced");
                audit::closed(device, replaced, "Replaced");
            }
            Ok(Closed::Before) => {}
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%device, error, "a replaced connection was not closed");
            }
        }
    }

    /// One identity is in two places. All replicas hold it off; the one that let it in says so.
    async fn cloned(&self, admission: &Admission, ours: bool) {
        let action = admission.on_clone.unwrap_or(self.on_clone);
        if action == OnClone::Deny {
            self.policies.hold(&admission.device, Instant::now());
        }
        if !ours {
            return;
        }
        let name = match action {
            OnClone::Alert => "alert",
            OnClone::Deny => "deny",
        };
        self.metrics.cloned(name);
        audit::cloned(admission, name);
        if action == OnClone::Deny {
            self.deny(&admission.device).await;
        }
    }

    async fn deny(&self, device: &DeviceId) {
        for attempt in 1..=ATTEMPTS {
            match self.policies.deny_clone(device).await {
                Ok(()) => return,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(%device, error, "that a clone is denied was not written down");
                }
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;

    fn seen(server: &str, client: u64, at: u64, ours: bool) -> Seen {
        Seen {
            place: Place {
                server: server.to_owned(),
                client,
            },
            at,
            ours,
        }
    }

    #[test]
    fn a_login_elsewhere_that_is_heard_of_late_is_closed_by_who_let_in_the_later_one() {
        let device = "dev-1".parse().expect("valid");
        let mut sightings = Sightings::default();
        let mut heard = |login: &Seen| {
            let noticed = sightings.admitted(&device, &Fingerprint::of("token"), login, 0);
            let closes = login.ours || noticed.standing.ours;
            (noticed.replaced.filter(|_| closes)).map(|seen| seen.place.server)
        };
        assert_eq!(heard(&seen("one", 1, 1_000, true)), None);
        // Ours comes back to us before what another replica told earlier.
        assert_eq!(
            heard(&seen("three", 9, 1_020, true)).as_deref(),
            Some("one")
        );
        assert_eq!(heard(&seen("two", 5, 1_010, false)).as_deref(), Some("two"));
        // Clocks that differ by minutes say nothing: what is heard of last is the last.
        assert_eq!(
            heard(&seen("one", 2, 400_000, true)).as_deref(),
            Some("three")
        );
        assert_eq!(heard(&seen("two", 6, 2_000, true)).as_deref(), Some("one"));
    }
}
