//! The tasks that must run for as long as the process does.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;

/// Tasks by name.
#[derive(Debug, Default)]
pub struct Tasks {
    running: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Tasks {
    /// Adds one.
    pub fn add(&self, name: &'static str, task: JoinHandle<()>) {
        self.lock().push((name, task));
    }

    /// A task that has ended although it must not.
    pub fn ended(&self) -> Option<&'static str> {
        let running = self.lock();
        let ended = running.iter().find(|(_, task)| task.is_finished());
        ended.map(|(name, _)| *name)
    }

    /// Ends all of them.
    pub fn abort(&self) {
        for (_, task) in self.lock().iter() {
            task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, JoinHandle<()>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
