use std::sync::Arc;

use fleet_operator_core::replica::Queues;
use tokio::sync::Notify;

/// One for the writer of each queue.
#[derive(Debug, Default)]
pub struct Bells {
    /// Of `desired-state`.
    pub desired: Arc<Notify>,
    /// Of the status of Deployments.
    pub statuses: Arc<Notify>,
    /// Of finalizers.
    pub finalizers: Arc<Notify>,
    /// Of `Device` objects.
    pub device_objects: Arc<Notify>,
    /// Of the status of Devices.
    pub device_statuses: Arc<Notify>,
    /// Of devices to forget.
    pub forgotten: Arc<Notify>,
    /// Of reports to forget.
    pub reports: Arc<Notify>,
}

impl Bells {
    /// Wakes the writers of queues that have news.
    pub(super) fn ring(&self, queues: &mut Queues) {
        let news = [
            (queues.desired.take_news(), &self.desired),
            (queues.statuses.take_news(), &self.statuses),
            (queues.finalizers.take_news(), &self.finalizers),
            (queues.device_objects.take_news(), &self.device_objects),
            (queues.device_statuses.take_news(), &self.device_statuses),
            (queues.forgotten.take_news(), &self.forgotten),
            (queues.reports.take_news(), &self.reports),
        ];
        for (_, bell) in news.iter().filter(|(news, _)| *news) {
            bell.notify_one();
        }
    }
}
