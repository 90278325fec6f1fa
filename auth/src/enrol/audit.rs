//! One line for each call and each step, under the target `audit`. Never a token or a key.

use std::net::IpAddr;

use fleet_auth_core::enrol::{Step, TokenId};
use fleet_contracts::enrolment::EnrolmentRefusal;

use super::view::View;

/// A device opened an enrolment.
pub(crate) fn opened(name: &str, device: &str, token: &TokenId, source: IpAddr) {
    let token = token.as_str();
    tracing::info!(target: "audit", enrolment = name, device, token_id = token, %source, "opened");
}

/// A call was refused.
pub(crate) fn refused(reason: EnrolmentRefusal, about: Option<&str>, source: IpAddr) {
    let enrolment = about.unwrap_or_default();
    tracing::warn!(target: "audit", reason = reason.as_str(), enrolment, %source, "refused");
}

/// Something was changed at the identity provider.
pub(crate) fn stepped(view: &View, step: &Step) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, ?step, "provisioned");
}

/// A device can log in from now on.
pub(crate) fn ready(view: &View) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, "ready");
}
