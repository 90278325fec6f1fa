//! What runs a guest's instructions.

use std::fmt;

/// What runs a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accelerator {
    /// The host's own processor.
    Kvm,
    /// QEMU's translator, which is slower by an order of magnitude.
    Tcg,
}

impl Accelerator {
    /// For messages.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG (emulated, without KVM)",
        }
    }

    /// The type of libvirt's domain.
    pub const fn domain_type(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "qemu",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}
