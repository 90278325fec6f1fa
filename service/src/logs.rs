//! Log lines on standard error.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What is logged unless `RUST_LOG` says otherwise. The client of OpenBao logs each refusal as an
/// error and returns it as well: a record that is not there yet is none, and the rest is told by
/// whoever asked, with what it means.
const DEFAULT_FILTER: &str = "info,vaultrs=off,rustify=off";

impl LogFormat {
    /// Logs from here on; `RUST_LOG` says what, by default from `info` up.
    pub fn init(self) {
        let filter =
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
        let logs = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self {
            Self::Text => logs.with_ansi(false).init(),
            Self::Json => logs.json().flatten_event(true).init(),
        }
    }
}
