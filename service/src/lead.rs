//! Leadership by a Lease (coordination.k8s.io): the API calls around the rules of [`lease`](crate::lease).

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use fleet_contracts::UnixMillis;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::lease::{Election, LeaseTerms, Record, Step};

/// Where the Lease is, and whose candidate this is.
#[derive(Debug, Clone)]
pub struct LeadSettings {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// This replica.
    pub identity: String,
    /// How long a Lease lasts.
    pub terms: LeaseTerms,
}

/// On the Lease: its holder says that it cannot do the work of a leader.
const UNABLE: &str = "fleet.nationtech.io/holder-unable";
/// On the Lease: who can, and asks for it. What `spec.preferredHolder` means, which needs a feature of the API
/// server that is not on by default.
const PREFERRED: &str = "fleet.nationtech.io/preferred-holder";

/// Takes part in the election until `stop`, then releases the Lease if it holds it. `able` tells whether
/// this replica could do the work of a leader now. `leading` hears until when it leads, each time that changes;
/// `None` while it does not.
pub async fn lead(
    client: Client,
    settings: LeadSettings,
    able: impl Fn() -> bool + Send + Sync,
    leading: impl Fn(Option<Instant>) + Send + Sync,
    stop: CancellationToken,
) {
    let api = Api::namespaced(client, &settings.namespace);
    let election = Election::new(settings.identity.clone(), settings.terms);
    let mut candidate = Candidate {
        able,
        leading,
        api,
        settings,
        election,
        led: None,
    };
    while !stop.is_cancelled() {
        candidate.round().await;
        let pause = candidate.pause();
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    candidate.release().await;
}

struct Candidate<A, L> {
    able: A,
    leading: L,
    api: Api<Lease>,
    settings: LeadSettings,
    election: Election,
    led: Option<UnixMillis>,
}

impl<A, L> Candidate<A, L>
where
    A: Fn() -> bool + Send + Sync,
    L: Fn(Option<Instant>) + Send + Sync,
{
    /// One look at the Lease, and what follows from it.
    async fn round(&mut self) {
        // One that slept through its time says so before it waits for anything.
        self.announce();
        // A leader must not wait for an answer longer than it may lead.
        let limit = Duration::from_millis(self.settings.terms.renew_deadline / 2);
        match tokio::time::timeout(limit, self.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let reason = reason(&error);
                let error = chain(&error);
                tracing::warn!(reason, error, "could not read or write the lease");
            }
            Err(_) => tracing::warn!("the API server did not answer about the lease in time"),
        }
        self.announce();
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        let found = self.api.get_opt(&self.settings.name).await?;
        let record = found.as_ref().map(record);
        let asked = now();
        let step = self.election.look(record.clone(), (self.able)(), asked);
        if step == Step::Wait {
            return Ok(());
        }
        let written = self.election.written(step, record.as_ref(), asked);
        match (step, found) {
            (Step::Ask, Some(found)) => {
                let identity = self.election.identity();
                tracing::info!(
                    identity,
                    "the leader cannot do its work; asking for the lease"
                );
                self.replace(&says(found, &written)).await?;
            }
            (Step::Yield, Some(found)) => {
                let to = &written.asked_by;
                tracing::warn!(to, "cannot do the work of a leader; giving the lease up");
                // First of all, so that nothing is written when the other begins.
                self.announce();
                self.replace(&says(found, &written)).await?;
            }
            (_, found) => {
                if self.hold(found, &written).await? {
                    self.election.wrote(asked);
                }
            }
        }
        Ok(())
    }

    /// Writes this replica as the holder; false when somebody was faster. The next look tells who.
    async fn hold(&self, found: Option<Lease>, written: &Record) -> Result<bool, kube::Error> {
        let lease = says(self.lease(found.as_ref()), written);
        if found.is_some() {
            return self.replace(&lease).await;
        }
        unless_outrun(self.api.create(&PostParams::default(), &lease).await)
    }

    async fn replace(&self, lease: &Lease) -> Result<bool, kube::Error> {
        let params = PostParams::default();
        unless_outrun(self.api.replace(&self.settings.name, &params, lease).await)
    }

    fn announce(&mut self) {
        let until = self.election.leads_until(now());
        if until == self.led {
            return;
        }
        let identity = self.election.identity();
        match (self.led, until) {
            (None, _) => tracing::info!(identity, "leading"),
            (_, None) => tracing::warn!(identity, "not leading any more"),
            _ => {}
        }
        self.led = until;
        (self.leading)(until.map(instant));
    }

    /// Until the next look; a leader wakes in time to stop by itself.
    fn pause(&self) -> Duration {
        let retry = self.settings.terms.retry;
        // Spread by a fifth, so that replicas do not look in step.
        let retry = retry - retry / 10 + fastrand::u64(..=retry / 5);
        let left = self
            .led
            .map_or(retry, |until| until.0.saturating_sub(now().0).max(1));
        Duration::from_millis(retry.min(left))
    }

    fn lease(&self, found: Option<&Lease>) -> Lease {
        let old = found.and_then(|l| l.spec.clone()).unwrap_or_default();
        let now = MicroTime(Timestamp::now());
        let ours = old.holder_identity.as_deref() == Some(self.election.identity());
        let transitions = old.lease_transitions.unwrap_or_default();
        let seconds = self.settings.terms.duration.div_ceil(1_000);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                namespace: Some(self.settings.namespace.clone()),
                // With the version that was read, a write that lost a race is refused.
                resource_version: found.and_then(|l| l.metadata.resource_version.clone()),
                annotations: found.and_then(|l| l.metadata.annotations.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
                acquire_time: if ours {
                    old.acquire_time
                } else {
                    Some(now.clone())
                },
                renew_time: Some(now),
                lease_transitions: Some(transitions + i32::from(!ours)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Lets a standby take over at once.
    async fn release(&mut self) {
        if self.led.is_none() {
            return;
        }
        self.election.resign();
        self.announce();
        let released = async {
            let mut lease = self.api.get(&self.settings.name).await?;
            if let Some(spec) = &mut lease.spec
                && spec.holder_identity.as_deref() == Some(self.election.identity())
            {
                spec.holder_identity = Some(String::new());
                self.replace(&lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(Duration::from_secs(3), released).await {
            Ok(Ok(())) => tracing::info!("lease released"),
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "lease not released"),
            Err(_) => tracing::warn!("lease not released in time"),
        }
    }
}

/// Why the API server did not do what it was asked, in one word.
pub fn reason(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.code == 403 => "ApiForbidden",
        kube::Error::Api(_) => "ApiRefused",
        _ => "ApiUnreachable",
    }
}

/// The name of this replica. A pod's host name is the pod's name, which is unique among replicas and
/// the same after a restart of the container; elsewhere replicas may share a host.
pub fn identity(
    given: Option<String>,
    program: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> String {
    let in_pod = variable("KUBERNETES_SERVICE_HOST").is_some();
    let host = variable("HOSTNAME").filter(|host| in_pod && !host.is_empty());
    let random = || format!("{program}-{:08x}", fastrand::u32(..));
    given.or(host).unwrap_or_else(random)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A clock that no step of the wall clock moves.
fn now() -> UnixMillis {
    let passed = START.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    UnixMillis(passed)
}

/// When that clock shows `at`.
fn instant(at: UnixMillis) -> Instant {
    *START + Duration::from_millis(at.0)
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    Record {
        holder: spec
            .and_then(|s| s.holder_identity.clone())
            .unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        unable: !annotation(lease, UNABLE).is_empty(),
        asked_by: annotation(lease, PREFERRED).to_owned(),
    }
}

/// The Lease, and that it says this.
fn says(mut lease: Lease, record: &Record) -> Lease {
    lease.spec.get_or_insert_default().holder_identity = Some(record.holder.clone());
    let annotations = lease.metadata.annotations.get_or_insert_default();
    let unable = if record.unable { "true" } else { "" };
    for (name, value) in [(UNABLE, unable), (PREFERRED, &record.asked_by)] {
        if value.is_empty() {
            annotations.remove(name);
        } else {
            annotations.insert(name.to_owned(), value.to_owned());
        }
    }
    lease
}

fn annotation<'a>(lease: &'a Lease, name: &str) -> &'a str {
    let all = lease.metadata.annotations.as_ref();
    all.and_then(|all| all.get(name)).map_or("", String::as_str)
}

/// Whether it was written; not so when somebody else wrote it since it was read.
fn unless_outrun(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_goes_by_its_name_and_others_by_one_of_their_own() {
        let pod = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("10.96.0.1".to_owned()),
            "HOSTNAME" => Some("fleet-operator-7d9c-x2x".to_owned()),
            _ => None,
        };
        assert_eq!(identity(None, "x", pod), "fleet-operator-7d9c-x2x");
        assert_eq!(identity(Some("a".into()), "x", pod), "a");
        let host = |name: &str| (name == "HOSTNAME").then(|| "laptop".to_owned());
        assert_ne!(identity(None, "x", host), identity(None, "x", host));
    }
}
