//! What several tests of one program use: a cluster for each of them would take minutes.

use std::io;
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Runtime;

use crate::process::lock;

/// Something that the first test which asks for it starts, and the last stops. It is made to lie in a
/// `static`, which nobody drops.
///
/// Each test that is counted must ask once, and first of all; otherwise nobody is the last.
#[derive(Debug)]
pub struct Shared<T> {
    counted: fn(&str) -> bool,
    /// Everything that is started runs here, because a test's own runtime ends with the test.
    runtime: OnceLock<Runtime>,
    starting: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: Option<Arc<T>>,
    /// How many tests have not yet given it back; not known before the first asks.
    left: Option<usize>,
}

/// It runs at least until this is dropped.
#[derive(Debug)]
pub struct Lease<T: 'static> {
    // Before the ticket, which may stop it.
    value: Arc<T>,
    _ticket: Ticket<T>,
}

#[derive(Debug)]
struct Ticket<T: 'static>(&'static Shared<T>);

impl<T> Shared<T> {
    /// For the tests of this program whose names `counted` accepts.
    pub const fn new(counted: fn(&str) -> bool) -> Self {
        Self {
            counted,
            runtime: OnceLock::new(),
            starting: tokio::sync::Mutex::const_new(()),
            state: Mutex::new(State {
                value: None,
                left: None,
            }),
        }
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// What runs, or what this starts. A start that panics does so in the test that asked.
    ///
    /// # Errors
    /// When this program cannot be asked which tests it runs, or there are no threads to be had.
    pub async fn lease<F>(&'static self, start: impl FnOnce() -> F) -> io::Result<Lease<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let _starting = self.starting.lock().await;
        let ticket = self.ticket()?;
        let running = lock(&self.state).value.clone();
        if let Some(value) = running {
            return Ok(Lease {
                value,
                _ticket: ticket,
            });
        }
        let started = self.runtime()?.spawn(start());
        let started = started.await.map_err(tokio::task::JoinError::into_panic);
        let value = started.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let value = Arc::new(value);
        lock(&self.state).value = Some(Arc::clone(&value));
        Ok(Lease {
            value,
            _ticket: ticket,
        })
    }

    fn ticket(&'static self) -> io::Result<Ticket<T>> {
        let mut state = lock(&self.state);
        if state.left.is_none() {
            state.left = Some(
                selected()?
                    .iter()
                    .filter(|name| (self.counted)(name))
                    .count(),
            );
        }
        Ok(Ticket(self))
    }

    fn runtime(&self) -> io::Result<&Runtime> {
        if self.runtime.get().is_none() {
            // Only who starts is here.
            let _ = self.runtime.set(Runtime::new()?);
        }
        self.runtime
            .get()
            .ok_or_else(|| io::Error::other("no runtime"))
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        let left = state.left.unwrap_or(0).saturating_sub(1);
        state.left = Some(left);
        let last = if left == 0 { state.value.take() } else { None };
        drop(state);
        // Outside of the lock: it may take a while.
        drop(last);
    }
}

/// The names of the tests that this run of this program was asked for.
fn selected() -> io::Result<Vec<String>> {
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--list")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Part(Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Part {
        fn drop(&mut self) {
            lock(&self.0).push("stopped");
        }
    }

    #[tokio::test]
    async fn the_first_test_starts_it_and_the_last_stops_it() {
        static SHARED: Shared<Part> = Shared::new(|name| name.contains("shared::tests::"));
        let happened: Arc<Mutex<Vec<_>>> = Arc::default();
        let lease = || {
            let happened = Arc::clone(&happened);
            SHARED.lease(move || async move {
                lock(&happened).push("started");
                Part(happened)
            })
        };
        let tests = selected().expect("a list");
        let mine = "shared::tests::the_first_test_starts_it_and_the_last_stops_it".to_owned();
        assert!(tests.contains(&mine), "{tests:?}");
        // As if it stood for two.
        lock(&SHARED.state).left = Some(2);
        let first = lease().await.expect("starts");
        drop(first);
        assert_eq!(*lock(&happened), ["started"]);
        let second = lease().await.expect("runs");
        assert_eq!(*lock(&happened), ["started"]);
        drop(second);
        assert_eq!(*lock(&happened), ["started", "stopped"]);
    }
}
