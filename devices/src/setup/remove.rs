use fleet_contracts::DeviceId;
use fleet_devices_core::host::{Ensured as _, Removal};

use super::run::{Progress, SetupError, watched, who};
use crate::host::{Linux, Outcome, Transport};

/// What came of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// How many things went, or would go.
    pub changes: usize,
    /// Who it was in its fleet.
    pub device: Option<DeviceId>,
}

/// Makes a host what it was before it became a device, but for its packages; or says what would go where the way to
/// it is one of plans. To begin again is safe.
///
/// # Errors
/// At the first thing that cannot be taken away.
pub async fn remove<T: Transport>(
    host: &Linux<T>,
    removal: Removal,
    progress: &dyn Progress,
) -> Result<Removed, SetupError> {
    let device = who(host).await?;
    let mut changes = 0;
    for step in removal.steps() {
        let outcome = watched(progress, &step.name(), host.ensure(&step)).await?;
        changes += usize::from(outcome != Outcome::Unchanged);
    }
    Ok(Removed { changes, device })
}
