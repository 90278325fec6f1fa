//! Metrics of enrolment, without a label for any device.

use fleet_service::exposition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    reason: &'static str,
}

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Label, Counter>,
    provisioned: Family<Label, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fleet_enrol");
        let (calls, provisioned) = (Family::default(), Family::default());
        let about = "Calls of devices, by how they were answered: a state or a refusal";
        registry.register("calls", about, Family::clone(&calls));
        let about = "Looks at enrolments, by the reason of their condition Ready afterwards";
        registry.register("reconciled", about, Family::clone(&provisioned));
        Self {
            registry,
            calls,
            provisioned,
        }
    }
}

impl Metrics {
    /// A device was answered.
    pub fn answered(&self, reason: &'static str) {
        self.calls.get_or_create(&Label { reason }).inc();
    }

    /// An enrolment was looked at.
    pub fn provisioned(&self, reason: &'static str) {
        self.provisioned.get_or_create(&Label { reason }).inc();
    }

    /// All of them as text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        exposition("enrolment", &self.registry)
    }
}
