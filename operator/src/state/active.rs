//! When this replica writes: while it leads and every source has told all it has.

use fleet_operator_core::Input;
use fleet_operator_core::index::Dirty;

use super::{Shared, Source, State};
use crate::clock;

impl Shared {
    /// A source has told all it has.
    pub fn synced(&self, source: Source) {
        tracing::info!(source = source.name(), "watch has delivered its first list");
        let mut state = self.lock();
        state.synced.insert(source);
        self.settle(&mut state);
    }

    /// A source begins again.
    pub fn unsynced(&self, source: Source) {
        let mut state = self.lock();
        state.synced.remove(&source);
        self.settle(&mut state);
    }

    /// This replica became the leader, or is no longer.
    pub fn leading(&self, leading: bool) {
        let mut state = self.lock();
        state.leading = leading;
        self.settle(&mut state);
    }

    /// The sources that have not told all they have.
    pub fn awaited(&self) -> Vec<Source> {
        let state = self.lock();
        let awaited = Source::ALL
            .into_iter()
            .filter(|s| !state.synced.contains(s));
        awaited.collect()
    }

    fn settle(&self, state: &mut State) {
        let active = state.leading && state.is_synced();
        if active == state.active {
            return;
        }
        state.active = active;
        if active {
            state.carry_frozen();
            state.mark_everything();
            let held = state.index.deployments().count();
            tracing::info!(
                deployments = held,
                "writing: leader, and every watch is synced"
            );
            for deployment in state.index.deployments() {
                tracing::info!(%deployment, "acquired deployment");
            }
        } else {
            state.queues.clear();
            tracing::info!("not writing any more");
        }
        self.active.send_replace(active);
    }
}

impl State {
    fn is_synced(&self) -> bool {
        Source::ALL.iter().all(|s| self.synced.contains(s))
    }

    /// Whether this replica writes.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// An invalid update must not stop what it left running, also not after a restart: its lines
    /// are carried over from what the stream holds.
    fn carry_frozen(&mut self) {
        let all = self.index.deployments();
        let frozen: Vec<_> = all
            .filter(|r| self.index.needs_carried(r))
            .cloned()
            .collect();
        for deployment in frozen {
            let lines = self.mirror.lines(&deployment);
            tracing::warn!(%deployment, devices = lines.len(), "spec is refused; what devices run stays");
            for (line, revision) in lines {
                self.index
                    .apply(Input::Carried { line, revision }, clock::now());
            }
        }
    }

    /// Level-triggered: everything is looked at, and what is as it should be is not written.
    fn mark_everything(&mut self) {
        let now = clock::now();
        let devices: Vec<_> = self.index.devices().cloned().collect();
        let dirty = Dirty {
            desired: devices
                .iter()
                .chain(self.mirror.devices())
                .cloned()
                .collect(),
            statuses: self.index.deployments().cloned().collect(),
            device_objects: self.index.devices_to_apply().cloned().collect(),
            device_statuses: devices.into_iter().collect(),
            ..Dirty::default()
        };
        self.queues.mark(dirty, now);
        let deployments: Vec<_> = self.index.deployments().cloned().collect();
        self.queues.finalizers.mark(deployments, now);
    }
}
