//! One line for each verdict, under the target `audit`.
//!
//! Who, by which key and token, from where, and why (not). What somebody else wrote is quoted and
//! escaped by the formatter, since each field is a string value. Tokens and keys are never passed
//! here.

use fleet_auth_core::callout::AuthRequest;
use fleet_auth_core::{Grant, Identity, Refusal};
use fleet_bus::Place;
use fleet_contracts::DeviceId;

use crate::callout::Admission;

/// A device was let in.
pub fn admitted(request: &AuthRequest, identity: &Identity, grant: &Grant) {
    tracing::info!(
        target: "audit",
        reason = crate::metrics::ADMITTED,
        device = identity.device.as_ref() as &str,
        subject = identity.subject.as_str(),
        key_id = identity.key_id.as_str(),
        token_id = identity.token_id.as_deref().unwrap_or_default(),
        client = request.client.id,
        client_name = request.client.name.as_str(),
        source = request.client.host.as_str(),
        server = request.server.name.as_str(),
        server_id = request.server.id.as_str(),
        expires = grant.expires,
        "admitted"
    );
}

/// Somebody was refused. `request` is missing where it could not be read.
pub fn refused(request: Option<&AuthRequest>, refusal: &Refusal) {
    let about = &refusal.about;
    let client = request.map(|request| &request.client);
    let server = request.map(|request| &request.server);
    tracing::warn!(
        target: "audit",
        reason = refusal.reason.as_str(),
        detail = refusal.detail.as_str(),
        device = about.device.as_deref().unwrap_or_default(),
        subject = about.subject.as_deref().unwrap_or_default(),
        key_id = about.key_id.as_deref().unwrap_or_default(),
        token_id = about.token_id.as_deref().unwrap_or_default(),
        client = client.map_or(0, |client| client.id),
        client_name = client.map_or("", |client| client.name.as_str()),
        source = client.map_or("", |client| client.host.as_str()),
        server = server.map_or("", |server| server.name.as_str()),
        server_id = server.map_or("", |server| server.id.as_str()),
        answered = !refusal.reason.is_garbage(),
        "refused"
    );
}

/// One identity turned out to be in two places.
pub fn cloned(admission: &Admission, action: &'static str) {
    tracing::warn!(
        target: "audit",
        reason = "Cloned",
        action,
        device = admission.device.as_ref() as &str,
        client = admission.client,
        source = admission.source.as_str(),
        server_id = admission.server.as_str(),
        "cloned"
    );
}

/// A connection was closed.
pub fn closed(device: &DeviceId, place: &Place, reason: &'static str) {
    tracing::warn!(
        target: "audit",
        reason,
        device = device.as_ref() as &str,
        client = place.client,
        server_id = place.server.as_str(),
        "closed"
    );
}
