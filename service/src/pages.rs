//! What `/metrics`, `/healthz` and `/readyz` answer with.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

/// Serves pages until `stop`.
pub async fn serve(listener: TcpListener, pages: Router, stop: CancellationToken) {
    let server = axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the page server ended");
    }
}

/// Metrics in the text format of `OpenMetrics`.
pub fn metrics<E>(rendered: Result<String, E>) -> Response {
    match rendered {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Healthy is a process whose every task that must run does.
pub fn health(tasks: &Tasks) -> (StatusCode, String) {
    match tasks.ended() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(task) => {
            let text = format!("task {task} has ended\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

/// What a process says that has no connection to the bus: the reason, and words.
pub const NO_BUS: &str = "BusUnreachable: not connected to NATS";

/// Ready is a process with nothing in its way; else all of that is said, a line each.
pub fn ready(problems: &[String]) -> (StatusCode, String) {
    if problems.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_the_way_is_said() {
        assert_eq!(ready(&[]).0, StatusCode::OK);
        let (status, text) = ready(&["no bus".to_owned(), "no keys".to_owned()]);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "no bus\nno keys\n");
    }

    #[tokio::test]
    async fn a_task_that_ended_is_named() {
        let tasks = Tasks::default();
        assert_eq!(health(&tasks).0, StatusCode::OK);
        let task = tokio::spawn(async {});
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        tasks.add("reader", task);
        let (status, text) = health(&tasks);
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(text, "task reader has ended\n");
    }
}
