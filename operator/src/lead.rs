//! Leadership by a Lease (coordination.k8s.io): the API calls around the rules of
//! [`fleet_operator_core::lease`].

use std::sync::Arc;
use std::time::Duration;

use fleet_operator_core::lease::{Election, LeaseTerms, Record, Step};
use fleet_operator_core::rbac::LeasePlace;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::refusal;
use crate::state::Shared;
use fleet_service::chain;

/// Where the Lease is, and whose candidate this is.
#[derive(Debug, Clone)]
pub struct LeadSettings {
    /// Where the Lease is.
    pub lease: LeasePlace,
    /// This replica.
    pub identity: String,
    /// How long a Lease lasts.
    pub terms: LeaseTerms,
}

/// Takes part in the election until `stop`, then releases the Lease if it holds it.
pub async fn lead(
    shared: Arc<Shared>,
    client: Client,
    settings: LeadSettings,
    stop: CancellationToken,
) {
    let api = Api::namespaced(client, &settings.lease.namespace);
    let election = Election::new(settings.identity.clone(), settings.terms);
    let mut candidate = Candidate {
        shared,
        api,
        settings,
        election,
        led: false,
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

struct Candidate {
    shared: Arc<Shared>,
    api: Api<Lease>,
    settings: LeadSettings,
    election: Election,
    led: bool,
}

impl Candidate {
    /// One look at the Lease, and what follows from it.
    async fn round(&mut self) {
        // A leader must not wait for an answer longer than it may lead.
        let limit = Duration::from_millis(self.settings.terms.renew_deadline / 2);
        match tokio::time::timeout(limit, self.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let reason = refusal::reason(&error);
                let error = chain(&error);
                tracing::warn!(reason, error, "could not read or write the lease");
            }
            Err(_) => tracing::warn!("the API server did not answer about the lease in time"),
        }
        self.announce();
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        let found = self.api.get_opt(&self.settings.lease.name).await?;
        let record = found.as_ref().map(record);
        let now = clock::now();
        match self.election.look(record, now) {
            Step::Wait => Ok(()),
            Step::Take | Step::Renew => {
                let lease = self.lease(found.as_ref());
                let params = PostParams::default();
                let name = &self.settings.lease.name;
                let written = match found {
                    None => self.api.create(&params, &lease).await,
                    Some(_) => self.api.replace(name, &params, &lease).await,
                };
                match written {
                    Ok(_) => self.election.wrote(now),
                    // Somebody was faster: the next look tells who.
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Err(error) => return Err(error),
                }
                Ok(())
            }
        }
    }

    fn announce(&mut self) {
        let leads = self.election.leads(clock::now());
        if leads != self.led {
            self.led = leads;
            let identity = self.election.identity();
            if leads {
                tracing::info!(identity, "leading");
            } else {
                tracing::warn!(identity, "not leading any more");
            }
            self.shared.leading(leads);
        }
    }

    /// Until the next look; a leader wakes in time to stop by itself.
    fn pause(&self) -> Duration {
        let retry = self.settings.terms.retry;
        // Spread by a fifth, so that replicas do not look in step.
        let retry = retry - retry / 10 + fastrand::u64(..=retry / 5);
        let left = match self.election.leads_until() {
            Some(until) if self.led => until.0.saturating_sub(clock::now().0).max(1),
            _ => retry,
        };
        Duration::from_millis(retry.min(left))
    }

    fn lease(&self, found: Option<&Lease>) -> Lease {
        let old = found.and_then(|l| l.spec.clone()).unwrap_or_default();
        let now = MicroTime(Timestamp::now());
        let identity = self.election.identity().to_owned();
        let ours = old.holder_identity.as_ref() == Some(&identity);
        let transitions = old.lease_transitions.unwrap_or_default();
        let seconds = self.settings.terms.duration.div_ceil(1_000);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.lease.name.clone()),
                namespace: Some(self.settings.lease.namespace.clone()),
                // With the version that was read, a write that lost a race is refused.
                resource_version: found.and_then(|l| l.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(identity),
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
        if !self.led {
            return;
        }
        self.election.resign();
        self.announce();
        let released = async {
            let mut lease = self.api.get(&self.settings.lease.name).await?;
            if let Some(spec) = &mut lease.spec
                && spec.holder_identity.as_deref() == Some(self.election.identity())
            {
                spec.holder_identity = Some(String::new());
                let params = PostParams::default();
                self.api
                    .replace(&self.settings.lease.name, &params, &lease)
                    .await?;
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

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    Record {
        holder: spec
            .and_then(|s| s.holder_identity.clone())
            .unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
