//! Why the API server did not do what it was asked, in one word.

use kube::Error;
use kube::runtime::watcher;

/// The word for an error of a request.
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::Api(status) if status.code == 403 => "ApiForbidden",
        Error::Api(_) => "ApiRefused",
        _ => "ApiUnreachable",
    }
}

/// The word for an error of a watch.
pub fn watch_reason(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => reason(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => "ApiRefused",
    }
}
