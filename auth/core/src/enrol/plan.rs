//! What to do at the identity provider, one step at a time.
//!
//! [`next`] looks at what is there and names one step, or none. It is asked again after every step,
//! and remembers nothing: being killed between two steps costs at most the key that nobody heard of.

use std::collections::BTreeSet;

/// What the identity provider shall come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The device can log in with its key, and with the next one if there is to be one.
    Enrolled,
    /// Nobody can log in as it.
    Revoked,
}

/// A user as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: String,
    /// Whether its access tokens are JWTs; opaque ones mean nothing to the callout.
    pub has_jwt: bool,
    /// Whether it may log in.
    pub is_active: bool,
    /// Which device it says to be.
    pub device: Option<String>,
}

/// A grant of roles as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its id.
    pub id: String,
    /// Whether the role that makes a device is in it.
    pub has_role: bool,
    /// Whether it counts.
    pub is_active: bool,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The device's user.
    pub user: Option<User>,
    /// Its roles in the fleet's project.
    pub grant: Option<Granted>,
    /// The ids of its keys.
    pub keys: BTreeSet<String>,
    /// The key that the enrolment names as its own.
    pub recorded: Option<String>,
    /// The key that the device is changing to.
    pub next: NextKey,
}

/// The key that a device is changing to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NextKey {
    /// It is not changing.
    #[default]
    None,
    /// It is to be added.
    Wanted,
    /// It was added under this id.
    Recorded(String),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the user.
    CreateUser,
    /// Say which device the user is.
    SetDevice,
    /// Let the user log in again.
    Reactivate,
    /// Grant the role.
    Grant,
    /// Put the role into the grant of this id.
    AddRole(String),
    /// Make the grant of this id count again.
    ActivateGrant(String),
    /// Remove a key that is not the enrolment's.
    RemoveKey(String),
    /// Add the key, and record its id.
    AddKey,
    /// Add the key that the device is changing to, and record its id.
    AddNextKey,
    /// Keep the user from logging in.
    Deactivate,
}

/// Why nothing may be done, and a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Not made by this service, or made for another device.
    #[error("the user of this name at the identity provider is another device's")]
    ForeignUser,
    /// Its token type was changed by somebody.
    #[error("the user at the identity provider has opaque access tokens, not JWTs")]
    OpaqueTokens,
}

/// The next step towards `goal` for `device`; none when it is reached.
///
/// The key comes last, so that nothing can log in half made. On the way out the user goes first,
/// because that ends every key at once.
pub fn next(goal: Goal, device: &str, there: &Observed) -> Result<Option<Step>, Blocked> {
    let Some(user) = &there.user else {
        return Ok((goal == Goal::Enrolled).then_some(Step::CreateUser));
    };
    if user.device.as_ref().is_some_and(|other| other != device) {
        return Err(Blocked::ForeignUser);
    }
    Ok(match goal {
        Goal::Enrolled if !user.has_jwt => return Err(Blocked::OpaqueTokens),
        Goal::Enrolled => enrol(user, there),
        Goal::Revoked => revoke(user, there),
    })
}

fn enrol(user: &User, there: &Observed) -> Option<Step> {
    if user.device.is_none() {
        return Some(Step::SetDevice);
    }
    let next = match &there.next {
        NextKey::Recorded(id) => Some(id),
        NextKey::None | NextKey::Wanted => None,
    };
    let own = |key: &String| there.recorded.as_ref() == Some(key) || next == Some(key);
    if let Some(stray) = there.keys.iter().find(|key| !own(key)) {
        return Some(Step::RemoveKey(stray.clone()));
    }
    // Only now: a user that was switched off must not come back with a stranger's key.
    if !user.is_active {
        return Some(Step::Reactivate);
    }
    match &there.grant {
        None => return Some(Step::Grant),
        Some(grant) if !grant.has_role => return Some(Step::AddRole(grant.id.clone())),
        Some(grant) if !grant.is_active => return Some(Step::ActivateGrant(grant.id.clone())),
        Some(_) => {}
    }
    let is_there = |id: Option<&String>| id.is_some_and(|id| there.keys.contains(id));
    if !is_there(there.recorded.as_ref()) {
        return Some(Step::AddKey);
    }
    (there.next != NextKey::None && !is_there(next)).then_some(Step::AddNextKey)
}

fn revoke(user: &User, there: &Observed) -> Option<Step> {
    if user.is_active {
        return Some(Step::Deactivate);
    }
    there.keys.first().cloned().map(Step::RemoveKey)
}
