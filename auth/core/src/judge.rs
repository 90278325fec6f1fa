//! Who may log in, as what, and until when.

use fleet_contracts::Permissions;

use crate::grant::{Caps, Grant, end, limits};
use crate::jwk::KeySet;
use crate::policy::{DevicePolicy, Policies};
use crate::reason::{AuthReason, Refusal};
use crate::rules::TokenRules;
use crate::token::{Identity, identify};

/// What became of a login.
pub type Verdict = Result<Grant, Refusal>;

/// One login, and what it is judged by. It cannot be printed, because a token is in it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What was presented.
    pub token: &'a str,
    /// What a token must say.
    pub rules: &'a TokenRules,
    /// The most that is granted.
    pub caps: &'a Caps,
    /// Any random number; spreads the ends of grants.
    pub entropy: u64,
}

/// Judges a login where keys and policies are at hand; `now` is in seconds since 1970.
///
/// Who has to fetch the policy first, or keeps identities, uses the two halves:
/// [`identify`], then [`admit`].
pub fn judge(request: &Request<'_>, keys: &KeySet, policies: &impl Policies, now: u64) -> Verdict {
    let identity = identify(request.token, keys, request.rules, now)?;
    let policy = policies.of(&identity.device);
    admit(&identity, policy, request.caps, now, request.entropy)
}

/// What a verified identity gets under its policy.
pub fn admit(
    identity: &Identity,
    policy: Option<&DevicePolicy>,
    caps: &Caps,
    now: u64,
    entropy: u64,
) -> Verdict {
    use AuthReason as R;
    let refuse = |reason, detail: &str| Err(Refusal::new(reason, detail).about(&identity.about()));
    let Some(policy) = policy else {
        return refuse(R::PolicyMissing, "there is no policy for this device");
    };
    if policy.denied {
        return refuse(R::DeviceDenied, "the device is shut out");
    }
    if !policy.enabled {
        return refuse(R::DeviceDisabled, "the device is switched off");
    }
    let owner = policy.subject.as_ref();
    if owner.is_some_and(|owner| *owner != identity.subject) {
        return refuse(R::SubjectMismatch, "the device belongs to another user");
    }
    match end(identity.expires, policy, caps, now, entropy) {
        Some(expires) => Ok(Grant {
            device: identity.device.clone(),
            permissions: Permissions::of_device(&identity.device),
            limits: limits(policy, caps.limits),
            expires,
            on_clone: policy.on_clone,
        }),
        None => refuse(R::TokenExpired, "nothing is left of its time"),
    }
}
