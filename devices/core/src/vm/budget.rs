//! How long a virtual machine may take.

use std::time::Duration;

use super::accelerator::Accelerator;
use crate::architecture::VmArchitecture;

/// From the start of a virtual machine until its first boot is through: somebody can log in by SSH
/// and cloud-init is done. An emulated Arm takes longest, and its budget is for hosts far slower than
/// those it was tried on.
pub const fn boot_budget(architecture: VmArchitecture, accelerator: Accelerator) -> Duration {
    match (architecture, accelerator) {
        (VmArchitecture::Aarch64, Accelerator::Tcg) => Duration::from_secs(1800),
        (VmArchitecture::X86_64, _) | (VmArchitecture::Aarch64, Accelerator::Kvm) => {
            Duration::from_secs(300)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_emulated_arm_may_take_half_an_hour() {
        for architecture in VmArchitecture::ALL {
            for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
                let slow =
                    (architecture, accelerator) == (VmArchitecture::Aarch64, Accelerator::Tcg);
                let seconds = if slow { 1800 } else { 300 };
                let budget = boot_budget(architecture, accelerator);
                assert_eq!(budget.as_secs(), seconds, "{architecture} {accelerator}");
            }
        }
    }
}
