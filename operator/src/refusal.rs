//! Why the API server did not do what it was asked, in one word.

pub use fleet_service::lead::reason;
use kube::runtime::watcher;

/// The word for an error of a watch.
pub fn watch_reason(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => reason(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => "ApiRefused",
    }
}
