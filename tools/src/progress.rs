//! What a caller hears while tools are made ready.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::Tool;

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The folder named in `KUBEBUILDER_ASSETS`.
    Assets,
    /// An earlier build.
    Cache,
    /// A program on `PATH` of the pinned version.
    Path,
    /// Built just now.
    Built,
}

/// One step of [`ensure`](crate::ensure). `Display` gives the line to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A tool is ready.
    Ready {
        /// Which one.
        tool: Tool,
        /// Where its program is.
        path: PathBuf,
        /// Where it came from.
        origin: Origin,
        /// How long that took; zero when nothing was built.
        elapsed: Duration,
    },
    /// A program of the wrong version was passed over.
    Passed {
        /// Which tool it would have been.
        tool: Tool,
        /// Where it is.
        path: PathBuf,
        /// What speaks against it.
        reason: String,
    },
    /// A build started.
    Started {
        /// All that this build makes.
        tools: Vec<Tool>,
    },
    /// A build is still running; comes every ten seconds.
    Running {
        /// All that this build makes.
        tools: Vec<Tool>,
        /// Since its start.
        elapsed: Duration,
    },
    /// A build failed for what looks like the network, and is tried again.
    Retrying {
        /// All that this build makes.
        tools: Vec<Tool>,
    },
    /// Another process is building into the same cache.
    Waiting {
        /// Since the wait began.
        elapsed: Duration,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready {
                tool,
                path,
                origin,
                elapsed,
            } => {
                write!(f, "{tool} {}: ", tool.version())?;
                match origin {
                    Origin::Assets => write!(f, "from KUBEBUILDER_ASSETS ({})", path.display()),
                    Origin::Cache => f.write_str("in the cache"),
                    Origin::Path => write!(f, "from PATH ({})", path.display()),
                    Origin::Built => write!(f, "built in {} s", elapsed.as_secs()),
                }
            }
            Self::Passed { tool, path, reason } => {
                write!(f, "{tool}: not using {}: {reason}", path.display())
            }
            Self::Started { tools } => write!(f, "{}: building", names(tools)),
            Self::Running { tools, elapsed } => {
                write!(
                    f,
                    "{}: still building, {} s",
                    names(tools),
                    elapsed.as_secs()
                )
            }
            Self::Retrying { tools } => {
                write!(f, "{}: a download failed, trying again", names(tools))
            }
            Self::Waiting { elapsed } => {
                write!(
                    f,
                    "waiting for another process that builds, {} s",
                    elapsed.as_secs()
                )
            }
        }
    }
}

fn names(tools: &[Tool]) -> String {
    tools
        .iter()
        .map(|tool| tool.name())
        .collect::<Vec<_>>()
        .join(", ")
}
