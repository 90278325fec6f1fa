//! One server process: started with its output in a log file, recorded, stopped, started again.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::journal::{Entry, Journal, JournalError, MARK};
use crate::procfs;
use crate::wait;

/// How long a server may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long the kernel may take to end a killed process.
const KILL_TIME: Duration = Duration::from_secs(10);

/// What can go wrong with a server process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {name} ({program})", program = .program.display())]
    Start {
        /// Which part of the testbed.
        name: String,
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is running already.
    #[error("{0} is running already; stop it first")]
    Running(String),
    /// It ended by itself while it was waited for.
    #[error("{name} ended by itself ({status}); the end of {log}:\n{tail}", log = .log.display())]
    Ended {
        /// Which part of the testbed.
        name: String,
        /// Its exit status.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that.
        tail: String,
    },
    /// It did not become ready in time.
    #[error("{name} was not ready after {}; the end of {log}:\n{tail}", .after.as_secs(), log = .log.display())]
    NotReady {
        /// Which part of the testbed.
        name: String,
        /// How long it was waited for.
        after: Duration,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that.
        tail: String,
    },
    /// It survived even SIGKILL, or could not be asked.
    #[error("cannot stop {name}")]
    Stop {
        /// Which part of the testbed.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be recorded, and so was not started.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// How to start a server.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Name in messages and in the journal.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) log: PathBuf,
    pub(crate) signalled: Signalled,
}

/// Which process gets the signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// The started one.
    Itself,
    /// Its child: `nsenter` and `unshare` fork into a process namespace and pass on no signal.
    Child,
}

impl Spec {
    pub(crate) fn new(name: impl Into<String>, program: impl Into<PathBuf>, logs: &Path) -> Self {
        let name = name.into();
        let log = logs.join(format!("{name}.log"));
        Self {
            name,
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            log,
            signalled: Signalled::Itself,
        }
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn envs(self, all: &[(String, String)]) -> Self {
        all.iter()
            .fold(self, |spec, (key, value)| spec.env(key, value))
    }

    /// Every address it connects to is on this machine, whatever proxy the environment names.
    pub(crate) fn without_proxy(self) -> Self {
        self.env("NO_PROXY", "*")
    }
}

/// A server that can be stopped and started again with the same arguments. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    spec: Mutex<Spec>,
    journal: Journal,
    child: Mutex<Option<Child>>,
}

impl Service {
    pub(crate) fn new(spec: Spec, journal: Journal) -> Self {
        Self {
            spec: Mutex::new(spec),
            journal,
            child: Mutex::new(None),
        }
    }

    /// Replaces the arguments for the next start.
    pub(crate) fn set_spec(&self, spec: Spec) {
        *lock(&self.spec) = spec;
    }

    /// Its name, as in the journal and in `fleet-testbed logs`.
    pub fn name(&self) -> String {
        lock(&self.spec).name.clone()
    }

    /// The file with its output, over all starts.
    pub fn log_path(&self) -> PathBuf {
        lock(&self.spec).log.clone()
    }

    /// All it has printed so far.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let mut child = lock(&self.child);
        let child = child.as_mut()?;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// Starts the process and records it. Does not wait until it is ready.
    pub(crate) fn spawn(&self) -> Result<(), ProcessError> {
        let spec = lock(&self.spec).clone();
        if self.pid().is_some() {
            return Err(ProcessError::Running(spec.name));
        }
        let start_error = |source| ProcessError::Start {
            name: spec.name.clone(),
            program: spec.program.clone(),
            source,
        };
        // Recorded before it exists; the process itself carries the mark, so that even one started
        // in the moment before a crash is found.
        self.journal.write(&Entry::Starting {
            name: spec.name.clone(),
        })?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(&spec.log)
            .map_err(start_error)?;
        let errors = log.try_clone().map_err(start_error)?;
        let mut child = lock(&self.child);
        let started = Command::new(&spec.program)
            .args(&spec.args)
            .envs(spec.env.iter().map(|(key, value)| (key, value)))
            .env(MARK, self.journal.folder())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // A group of its own: Ctrl-C is for the testbed, which then stops its servers in order.
            .process_group(0)
            .spawn()
            .map_err(start_error)?;
        let pid = started.id();
        *child = Some(started);
        drop(child);
        if let Some(start) = procfs::start_time(pid) {
            self.journal.write(&Entry::Process {
                name: spec.name.clone(),
                pid,
                start,
            })?;
        }
        Ok(())
    }

    /// Asks the process to stop (SIGTERM) and waits; kills it after ten seconds.
    pub(crate) async fn terminate(&self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)?;
        if wait::until(GRACE, || async { self.pid().is_none() }).await {
            self.reap();
            return Ok(());
        }
        self.kill().await
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub(crate) async fn kill(&self) -> Result<(), ProcessError> {
        self.signal(Signal::KILL)?;
        if wait::until(KILL_TIME, || async { self.pid().is_none() }).await {
            self.reap();
            return Ok(());
        }
        Err(self.not_stopped(io::ErrorKind::TimedOut.into()))
    }

    /// Freezes the process: it keeps its connections and answers nothing, as one that hangs.
    ///
    /// Its threads do not stop with the signal, but when each runs next: this waits for the last.
    ///
    /// # Errors
    /// When the signal cannot be sent, or the process does not stop.
    pub async fn freeze(&self) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)?;
        let frozen = || async { self.receiver().is_none_or(procfs::is_stopped) };
        if wait::until(KILL_TIME, frozen).await {
            return Ok(());
        }
        Err(self.not_stopped(io::ErrorKind::TimedOut.into()))
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> Result<(), ProcessError> {
        self.signal(Signal::CONT)
    }

    /// Sends a signal, if the process runs.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let receiver = self.receiver().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = receiver.and_then(Pid::from_raw) else {
            return Ok(());
        };
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(self.not_stopped(error.into())),
        }
    }

    fn not_stopped(&self, source: io::Error) -> ProcessError {
        ProcessError::Stop {
            name: self.name(),
            source,
        }
    }

    /// Whom signals are for, if it runs.
    fn receiver(&self) -> Option<u32> {
        let own = self.pid()?;
        Some(match lock(&self.spec).signalled {
            Signalled::Itself => own,
            // Without a child it has not forked yet, or is about to end.
            Signalled::Child => procfs::first_child(own).unwrap_or(own),
        })
    }

    /// Waits until `ready` says so; fails at once when the process ends.
    pub(crate) async fn wait_ready<F: Future<Output = bool>>(
        &self,
        limit: Duration,
        ready: impl Fn() -> F,
    ) -> Result<(), ProcessError> {
        let settled = wait::until(limit, || async {
            self.exit_status().is_some() || ready().await
        });
        let settled = settled.await;
        if let Some(status) = self.exit_status() {
            return Err(ProcessError::Ended {
                name: self.name(),
                status: describe(status),
                log: self.log_path(),
                tail: self.tail(),
            });
        }
        if settled {
            return Ok(());
        }
        Err(ProcessError::NotReady {
            name: self.name(),
            after: limit,
            log: self.log_path(),
            tail: self.tail(),
        })
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        lock(&self.child)
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten())
    }

    fn reap(&self) {
        lock(&self.child).take();
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = lock(&self.child).take() {
            // Gone already is fine, and there is nobody left to tell anything else.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Kills a process that is not a child of this one. It may have ended since it was looked up; the
/// caller looks again.
pub(crate) fn kill_pid(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

/// A panic in one test thread must not keep another from stopping its servers.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
