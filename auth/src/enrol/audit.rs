//! One line for each call and each step, under the target `audit`. Never a token or a key.

use std::net::IpAddr;

use fleet_auth_core::enrol::{Approved, Step, TokenId};
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

/// A rule approved a device.
pub(crate) fn approved_by_policy(view: &View, approved: &Approved) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    let Approved { rule, because } = approved;
    tracing::info!(target: "audit", enrolment, device, rule, because, "approved by policy");
}

/// A device said which key it wants to change to.
pub(crate) fn key_offered(view: &View, fingerprint: &str) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, fingerprint, "key offered");
}

/// A device uses another key from now on.
pub(crate) fn key_replaced(view: &View, fingerprint: &str) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, fingerprint, "key replaced");
}

/// A device was shut out at the callout, is let in there again, or was forgotten there.
pub(crate) fn access(view: &View, access: &'static str) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, access, "policy store written");
}

/// The policy lets a device claim other labels than before.
pub(crate) fn labels(view: &View) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, "allowed labels changed");
}

/// A device can log in from now on.
pub(crate) fn ready(view: &View) {
    let (enrolment, device) = (view.name.as_str(), view.device());
    tracing::info!(target: "audit", enrolment, device, "ready");
}
