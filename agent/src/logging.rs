//! Logs: one line per event on standard error, where journald picks them up.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Environment variable with the level.
pub const LEVEL_ENV: &str = "FLEET_AGENT_LOG";
/// Environment variable with the format, `text` or `json`.
pub const FORMAT_ENV: &str = "FLEET_AGENT_LOG_FORMAT";

/// Starts logging as the environment says. A level that is not understood counts as `info`.
pub fn init() {
    let level = std::env::var(LEVEL_ENV).ok();
    let level: LevelFilter = level
        .and_then(|l| l.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    // The NATS client's own lines say less than ours, and "connected" before that is true.
    let ours = filter_fn(move |about| {
        level >= LevelFilter::DEBUG || !about.target().starts_with("async_nats")
    });
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    if std::env::var(FORMAT_ENV).is_ok_and(|f| f == "json") {
        builder
            .json()
            .flatten_event(true)
            .finish()
            .with(ours)
            .init();
    } else {
        builder.with_ansi(false).finish().with(ours).init();
    }
}
