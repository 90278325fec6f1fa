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

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT: &str = "info";
/// What is not logged unless it is asked for by name. The client of OpenBao logs each refusal as an
/// error and returns it as well: a record that is not there yet is none, and the rest is told by
/// whoever asked, with what it means.
const SILENT: &str = "vaultrs=off,rustify=off";

/// The filter for what `RUST_LOG` says, if it says something. Of two words about one target the later
/// counts.
fn filter(asked: Option<&str>) -> EnvFilter {
    let asked = asked.filter(|text| !text.trim().is_empty());
    let filter = |asked: &str| EnvFilter::try_new(format!("{SILENT},{asked}"));
    let asked = asked.and_then(|asked| filter(asked).ok());
    asked.unwrap_or_else(|| EnvFilter::new(format!("{SILENT},{DEFAULT}")))
}

impl LogFormat {
    /// Logs from here on; `RUST_LOG` says what, by default from `info` up.
    pub fn init(self) {
        let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok();
        let logs = tracing_subscriber::fmt()
            .with_env_filter(filter(asked.as_deref()))
            .with_writer(std::io::stderr);
        match self {
            Self::Text => logs.with_ansi(false).init(),
            Self::Json => logs.json().flatten_event(true).init(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that a target logs by a filter.
    fn logged(asked: Option<&str>, target: &str) -> Option<String> {
        let filter = filter(asked).to_string();
        let of = |name: &str| {
            let mut found = None;
            for directive in filter.split(',') {
                match directive.split_once('=') {
                    Some((about, level)) if about == name => found = Some(level.to_owned()),
                    None if name.is_empty() => found = Some(directive.to_owned()),
                    _ => {}
                }
            }
            found
        };
        of(target).or_else(|| of(""))
    }

    #[test]
    fn what_a_client_repeats_is_silent_unless_it_is_asked_for() {
        for asked in [
            None,
            Some("info"),
            Some("debug,fleet_auth=trace"),
            Some(""),
            Some("=,="),
        ] {
            assert_eq!(
                logged(asked, "vaultrs").as_deref(),
                Some("off"),
                "{asked:?}"
            );
        }
        assert_eq!(
            logged(Some("vaultrs=debug"), "vaultrs").as_deref(),
            Some("debug")
        );
        assert_eq!(logged(None, "fleet_auth").as_deref(), Some("info"));
        assert_eq!(logged(Some("warn"), "fleet_auth").as_deref(), Some("warn"));
    }
}
