//! The labels that a device's policy lets it claim, brought to its enrolment, where the operator looks
//! (docs/adr/0023).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fleet_api::DeviceEnrolmentStatus;
use fleet_auth_core::AllowedLabels;
use fleet_service::chain;

use super::audit;
use super::provision::{ProvisionError, Provisioner};
use super::view::View;
use crate::bao::DenialError;

/// From look to look while the policy store cannot be read.
const UNREAD: Duration = Duration::from_secs(20);

impl Provisioner {
    /// The status as it has to be before the device may log in, if it is not.
    pub(super) async fn with_allowed_labels(
        &self,
        view: &View,
    ) -> Result<Option<DeviceEnrolmentStatus>, ProvisionError> {
        let device = &view.object.spec.device_id;
        let allowed = self.access.allowed_labels(device).await?;
        Ok(allowed.and_then(|allowed| changed(view, allowed)))
    }

    /// Looks whether the policy of a device that is enrolled changed. Answers whether it did. What
    /// cannot be read now is looked at again the next time, and what was read before holds.
    pub(super) async fn refresh_labels(&self, view: &View) -> Result<bool, ProvisionError> {
        let mut found = self.with_allowed_labels(view).await;
        if let Err(ProvisionError::Access(DenialError::Missing(_))) = &found {
            found = self.remember(view).await;
        }
        self.unread.store(found.is_err(), Ordering::Relaxed);
        match found {
            Ok(None) => Ok(false),
            Ok(Some(status)) => {
                self.registry.write_status(view, status).await?;
                audit::labels(view);
                Ok(true)
            }
            Err(error) => {
                let (device, error) = (view.device(), chain(&error));
                tracing::warn!(device, error, "the policy cannot be read; its labels stay");
                Ok(false)
            }
        }
    }

    /// A policy store that was lost, and is not restored or not to the end, would shut out every device. One
    /// whose record somebody deleted is shut out, as it was meant.
    async fn remember(&self, view: &View) -> Result<Option<DeviceEnrolmentStatus>, ProvisionError> {
        let labels = view.status().and_then(|s| s.allowed_labels.clone());
        let labels = labels.map(collected);
        let device = &view.object.spec.device_id;
        if self.access.remember(device, &labels).await? {
            audit::access(view, "remembered");
        }
        Ok(None)
    }

    /// When to look again; never where there is nowhere to look. Spread, so that a restart does not
    /// make a fleet's turns coincide for ever. Sooner where the store is away or not set up yet: as long
    /// as it is not told of a device that it lost, that device waits.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let period = if self.unread.load(Ordering::Relaxed) {
            self.policy_refresh.min(UNREAD)
        } else {
            self.policy_refresh
        };
        let spread = period.mul_f64(0.75 + fastrand::f64() / 2.0);
        self.access.has_store().then_some(spread)
    }
}

fn changed(view: &View, allowed: AllowedLabels) -> Option<DeviceEnrolmentStatus> {
    let allowed = allowed.map(collected);
    let mut status = view.status().cloned().unwrap_or_default();
    (status.allowed_labels != allowed).then(|| {
        status.allowed_labels = allowed;
        status
    })
}

/// The same labels; the policy has values in sets, and the enrolment in lists.
fn collected<I, V>(labels: BTreeMap<String, I>) -> BTreeMap<String, V>
where
    I: IntoIterator<Item = String>,
    V: FromIterator<String>,
{
    let labels = labels.into_iter();
    labels
        .map(|(key, values)| (key, values.into_iter().collect()))
        .collect()
}
