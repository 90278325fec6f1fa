//! What the stream holds, as messages bring it.

use fleet_agent_core::sync::{Got, SyncError};
use fleet_bus::async_nats::{HeaderValue, Message, StatusCode};

/// What a direct get answered; none if the bus holds no such key.
pub(super) fn got(message: Option<Message>) -> Result<Option<Got>, SyncError> {
    let Some(message) = message else {
        return Err(SyncError::NoAnswer("no answer".to_owned()));
    };
    match message.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NOT_FOUND) => return Ok(None),
        Some(status) => return Err(SyncError::NoAnswer(format!("status {status}"))),
    }
    let headers = message.headers.as_ref();
    let deleted = headers.is_some_and(|headers| headers.get("KV-Operation").is_some());
    Ok((!deleted).then(|| value(message)))
}

/// A message of the stream, whether it was asked for or published again.
pub(super) fn value(message: Message) -> Got {
    let headers = message.headers.unwrap_or_default();
    Got::read(message.payload, |name| {
        headers.get_all(name).map(HeaderValue::as_str)
    })
}
