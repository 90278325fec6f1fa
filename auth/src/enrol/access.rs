//! What the callout is told about a device: shut out, or let in. Without a policy store it is told
//! nothing, and a denial holds at the identity provider alone.

use fleet_auth_core::AllowedLabels;
use fleet_contracts::DeviceId;

use crate::bao::denials::{allow, allowed_labels, deny, remember};
use crate::bao::{BaoSettings, DenialError, Keeper};

/// Where the callout looks.
#[derive(Debug, Default)]
pub struct Access {
    store: Option<Keeper>,
}

/// Whether there was anywhere to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is written.
    Yes,
    /// There is no policy store.
    NoStore,
}

impl Access {
    /// Asks nobody yet.
    pub fn new(settings: Option<BaoSettings>) -> Self {
        Self {
            store: settings.map(Keeper::new),
        }
    }

    /// Shuts a device out, also one that is connected.
    pub async fn deny(&self, device: &DeviceId, reason: &str) -> Result<Told, DenialError> {
        let Some(store) = &self.store else {
            return Ok(Told::NoStore);
        };
        let session = store.session().await?;
        let denied = deny(&session, device, reason).await;
        if denied.is_err() {
            // Its token may be what was wrong.
            store.forget(&session).await;
        }
        denied.map(|()| Told::Yes)
    }

    /// Lets a device in, again or for the first time.
    pub async fn allow(&self, device: &DeviceId) -> Result<Told, DenialError> {
        let Some(store) = &self.store else {
            return Ok(Told::NoStore);
        };
        let session = store.session().await?;
        let allowed = allow(&session, device).await;
        if allowed.is_err() {
            store.forget(&session).await;
        }
        allowed.map(|()| Told::Yes)
    }

    /// Says again what a store has forgotten of a device that was let in, and nothing else; whether it had.
    pub async fn remember(
        &self,
        device: &DeviceId,
        labels: &AllowedLabels,
    ) -> Result<bool, DenialError> {
        let Some(store) = &self.store else {
            return Ok(false);
        };
        let session = store.session().await?;
        let written = remember(&session, device, labels).await;
        if written.is_err() {
            store.forget(&session).await;
        }
        written
    }

    /// The labels that a device may claim; no answer where there is no policy store.
    pub async fn allowed_labels(
        &self,
        device: &DeviceId,
    ) -> Result<Option<AllowedLabels>, DenialError> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let session = store.session().await?;
        let allowed = allowed_labels(&session, device).await;
        if allowed.is_err() {
            store.forget(&session).await;
        }
        allowed.map(Some)
    }

    /// Whether there is a policy store.
    pub const fn has_store(&self) -> bool {
        self.store.is_some()
    }
}
