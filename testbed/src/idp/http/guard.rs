//! What every request passes: faults, the check of its `Host`, and the clock on its answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::super::faults::{Endpoint, Fault};
use super::{Issuer, Shared};

pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let endpoint = Endpoint::of(request.uri().path());
    let mut answer = match shared.faults.meet(endpoint) {
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status);
            status
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
                .into_response()
        }
        fault => {
            if let Some(Fault::Slow(delay)) = fault {
                tokio::time::sleep(delay).await;
            }
            let headers = request.headers();
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok());
            let host = host.unwrap_or_default().to_owned();
            match issuer(&host, &shared.domain) {
                Some(issuer) => {
                    request.extensions_mut().insert(issuer);
                    next.run(request).await
                }
                None => unknown_instance(&host, &shared.domain),
            }
        }
    };
    if let Some(date) = date(shared.faults.now()) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

/// The instance is found by the host's name without its port; the issuer is made of both (zitadel
/// `internal/api/http/middleware/instance_interceptor.go`, `op.IssuerFromContext`).
fn issuer(host: &str, domain: &str) -> Option<Issuer> {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "443"));
    if name != domain {
        return None;
    }
    Some(Issuer(match port {
        "443" => format!("https://{name}"),
        port => format!("https://{name}:{port}"),
    }))
}

fn unknown_instance(host: &str, domain: &str) -> Response {
    let text = format!(
        "unable to set instance using origin https://{host} (ExternalDomain is {domain}): \
         Instance not found. Make sure you got the domain right."
    );
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Devices without a clock take the time from here.
fn date(now: Timestamp) -> Option<HeaderValue> {
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    HeaderValue::from_str(&text.ok()?).ok()
}
