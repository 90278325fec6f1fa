//! How an enrolment stands: nothing but a view of what was decided and done.

use fleet_contracts::enrolment::DenialReason;

/// What is stored of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// What was decided: yes, no, or nothing yet.
    pub approved: Option<bool>,
    /// When it was opened, in seconds since 1970.
    pub created: u64,
    /// Whether a user was made for it.
    pub has_user: bool,
    /// Whether all that an approval needs was done.
    pub is_provisioned: bool,
    /// Until when its key is taken, in seconds since 1970.
    pub key_expires: Option<u64>,
}

/// How an enrolment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has decided.
    Pending,
    /// Approved, and not all is done.
    Approved,
    /// Approved, and all is done.
    Ready,
    /// It leads nowhere.
    Closed(DenialReason),
}

/// How it stands at `now`, if nobody may take longer than `patience` seconds to decide. A decision
/// counts even after that: people outrank clocks.
pub fn standing(of: &Situation, now: u64, patience: u64) -> Standing {
    match of.approved {
        Some(false) if of.has_user => Standing::Closed(DenialReason::Revoked),
        Some(false) => Standing::Closed(DenialReason::Rejected),
        None if now.saturating_sub(of.created) >= patience => {
            Standing::Closed(DenialReason::ApprovalTimedOut)
        }
        None => Standing::Pending,
        Some(true) if of.key_expires.is_some_and(|end| end <= now) => {
            Standing::Closed(DenialReason::KeyExpired)
        }
        Some(true) if of.is_provisioned => Standing::Ready,
        Some(true) => Standing::Approved,
    }
}

/// One of several enrolments that want the same device id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The enrolment's name.
    pub name: &'a str,
    /// When it was opened.
    pub created: u64,
    /// Whether a user was made for it.
    pub has_user: bool,
    /// How it stands.
    pub standing: Standing,
}

impl Claim<'_> {
    const fn is_open(&self) -> bool {
        !matches!(self.standing, Standing::Closed(_))
    }

    /// Lower goes first: who has a user, who is approved, who was first. Names settle the rest, so
    /// that every replica comes to the same.
    const fn rank(&self) -> (bool, bool, u64, &str) {
        let pending = matches!(self.standing, Standing::Pending);
        (!self.has_user, pending, self.created, self.name)
    }
}

/// Whether `mine` holds the device id that `others` want as well.
pub fn holds(mine: &Claim<'_>, others: &[Claim<'_>]) -> bool {
    let mut rivals = others
        .iter()
        .filter(|other| other.name != mine.name && other.is_open());
    mine.is_open() && rivals.all(|rival| mine.rank() < rival.rank())
}
