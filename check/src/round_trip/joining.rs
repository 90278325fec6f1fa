//! From nothing to a device on the bus.

use aws_lc_rs::rand;
use fleet_api::{Approval, DEVICE_ID_LABEL, Decision, DeviceEnrolment};
use fleet_auth_core::enrol::{TokenId, TokenRecord};
use fleet_check_core::{NAME, device};
use fleet_contracts::enrolment::EnrolmentToken;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams, PostParams};

use super::TripError;
use super::error::kube;
use super::trip::{Cluster, Trip};
use super::wait::Look;

impl Cluster {
    /// Those of the device of checks.
    pub(super) async fn list_enrolments(&self) -> Result<Vec<DeviceEnrolment>, TripError> {
        let params = ListParams::default().labels(&format!("{DEVICE_ID_LABEL}={NAME}"));
        let found = self.enrolments.list(&params).await;
        let mut found = found.map_err(kube("list DeviceEnrolments"))?.items;
        // The label only finds them; what counts is what they ask for.
        found.retain(|enrolment| enrolment.spec.device_id.as_str() == NAME);
        Ok(found)
    }

    /// Decides as `fleet approve` and `fleet deny` do.
    pub(super) async fn decide(&self, name: &str, decision: Decision) -> Result<(), TripError> {
        let message = match decision {
            Decision::Approved => String::new(),
            Decision::Denied => "The check is over.".to_owned(),
        };
        let patch = Patch::Merge(Approval { decision, message }.merge_patch());
        let params = PatchParams::default();
        let patched = self.enrolments.patch(name, &params, &patch).await;
        patched
            .map(drop)
            .map_err(kube("decide about the DeviceEnrolment"))
    }
}

impl Trip {
    /// As `fleet-auth token create --device-id` does.
    pub(super) async fn make_token(&mut self) -> Result<(), TripError> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| TripError::Random)?;
        let token = EnrolmentToken::from_random(&bytes);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        let record = TokenRecord {
            hash: token.hash(),
            // No longer than it is used, for a run that is killed.
            expires_at: now + self.limit.as_secs(),
            device_id: NAME.parse().ok(),
            labels: None,
            fleet: None,
            used: None,
        };
        // Named before it is made: a request that is cut off may have been heard.
        self.made.push(TokenId::of(&token).secret_name());
        let (params, secret) = (PostParams::default(), record.to_secret());
        let created = self.cluster.tokens.create(&params, &secret).await;
        created.map_err(kube("create the Secret of an enrolment token"))?;
        self.token = Some(token);
        Ok(())
    }

    pub(super) async fn ask(&mut self) -> Result<(), TripError> {
        let Some(token) = self.token.take() else {
            return Ok(());
        };
        let started = self.agent.enrol(&self.url, self.ca_file.as_deref(), &token);
        let process = self.process.insert(started.await?);
        let cluster = &self.cluster;
        let asked = self.waiting.until(async || {
            if !cluster.list_enrolments().await?.is_empty() {
                return Ok(Look::Done(()));
            }
            Self::check_agent(Some(process))?;
            Ok(Look::Missing("no DeviceEnrolment of the device".to_owned()))
        });
        asked.await
    }

    pub(super) async fn approve(&mut self) -> Result<(), TripError> {
        let cluster = &self.cluster;
        for enrolment in cluster.list_enrolments().await? {
            let name = enrolment.name_any();
            cluster.decide(&name, Decision::Approved).await?;
        }
        let process = &mut self.process;
        let enrolled = self.waiting.until(async || {
            let Some(enrolling) = process else {
                return Ok(Look::Done(()));
            };
            match enrolling.ended()? {
                Some(status) if status.success() => return Ok(Look::Done(())),
                Some(status) => return Err(TripError::Ended(status)),
                None => {}
            }
            let enrolments = cluster.list_enrolments().await?;
            let said = enrolments.first().and_then(device::standing);
            let said = said.unwrap_or_else(|| "the enrolment service says nothing".to_owned());
            Ok(Look::Missing(said))
        });
        enrolled.await?;
        *process = None;
        Ok(())
    }

    pub(super) async fn log_in(&mut self) -> Result<(), TripError> {
        let process = self.process.insert(self.agent.run()?);
        let devices = &self.cluster.devices;
        let joined = self.waiting.until(async || {
            Self::check_agent(Some(process))?;
            let found = devices
                .get_opt(NAME)
                .await
                .map_err(kube("read the Device"))?;
            Ok(device::lacks(found.as_ref()).into())
        });
        joined.await
    }
}
