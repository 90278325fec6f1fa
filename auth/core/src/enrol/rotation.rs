//! A device replaces its key: which key may do what.
//!
//! The device's part is in [`fleet_contracts::enrolment::rotation`]. Nothing here trusts that a step was
//! made before another: each answer follows from the keys that are stored.

use fleet_contracts::enrolment::{EnrolmentId, EnrolmentRefusal};

use super::standing::Standing;

/// The keys of an enrolment, by the ids that follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// The device's key.
    pub current: &'a EnrolmentId,
    /// Until when the identity provider takes it, in seconds since 1970.
    pub current_ends: Option<u64>,
    /// The key that comes next, and whether the identity provider has it.
    pub next: Option<(&'a EnrolmentId, Progress)>,
}

/// How far the next key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Written down, and no more.
    Wanted,
    /// The identity provider takes it.
    Added,
}

/// What to do with a key that a device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Write it down as the next one.
    Record,
    /// It is being added.
    Wait,
    /// It was added: say so.
    Answer,
}

/// What to do with a key that a device says it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The next key becomes the current one.
    Promote,
    /// It is the current one already.
    Answer,
}

/// A device, proven by its current key and by `offered`, wants `offered` to come next.
pub fn offer(
    standing: Standing,
    keys: &Keys<'_>,
    offered: &EnrolmentId,
    now: u64,
) -> Result<Offer, EnrolmentRefusal> {
    enrolled(standing)?;
    // The next key keeps an enrolment open for longer than the current one is good.
    if keys.current_ends.is_some_and(|end| end <= now) {
        return Err(EnrolmentRefusal::NotApproved);
    }
    if offered == keys.current {
        return Err(EnrolmentRefusal::Malformed);
    }
    Ok(match keys.next {
        Some((next, Progress::Added)) if next == offered => Offer::Answer,
        Some((next, Progress::Wanted)) if next == offered => Offer::Wait,
        // The device lost the one before, or never had the answer.
        _ => Offer::Record,
    })
}

/// A device, proven by `used`, says that this is the key it uses.
pub fn take_up(
    standing: Standing,
    keys: &Keys<'_>,
    used: &EnrolmentId,
) -> Result<Use, EnrolmentRefusal> {
    let progress = match keys.next {
        Some((next, progress)) if next == used => Some(progress),
        _ if used == keys.current => None,
        // Whoever holds any other key is nobody here.
        _ => return Err(EnrolmentRefusal::BadProof),
    };
    enrolled(standing)?;
    match progress {
        None => Ok(Use::Answer),
        Some(Progress::Added) => Ok(Use::Promote),
        // Taken away in between, by a denial that was taken back, say. It is being added again.
        Some(Progress::Wanted) => Err(EnrolmentRefusal::Unavailable),
    }
}

fn enrolled(standing: Standing) -> Result<(), EnrolmentRefusal> {
    match standing {
        Standing::Ready => Ok(()),
        // In the middle of something that passes.
        Standing::Approved => Err(EnrolmentRefusal::Unavailable),
        Standing::Pending | Standing::Closed(_) => Err(EnrolmentRefusal::NotApproved),
    }
}

/// Seconds after which a key that is taken for `lifetime` seconds should be replaced: two thirds.
/// The last third is for a device that is switched off.
pub const fn rotation_age(lifetime: u32) -> u32 {
    lifetime - lifetime / 3
}
