//! One identity in two places.
//!
//! A device has one connection at a time: whoever logs in replaces the connection before. That alone is
//! no sign of a clone, because a device whose network broke leaves a dead connection behind and comes
//! back, as often as its network breaks. What one device never does is to come back with a token that it
//! had given up for a newer one. Two holders of one key do, each with a token of its own, as soon as they
//! replace each other. So a return to a given-up token, twice in a while, is the proof.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use fleet_contracts::DeviceId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Within this time, in seconds, returns are counted together.
const WINDOW: u64 = 10 * 60;
/// So many returns prove a clone. One may be a login that was overtaken by a later one.
const RETURNS: usize = 2;
/// Tokens of one device that are remembered.
const TOKENS: usize = 16;
/// Devices that are remembered; those that were not seen for the longest are forgotten first.
const DEVICES: usize = 100_000;

/// By what a token is known again; nobody can log in with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a token.
    pub fn of(token: &str) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(token)[..16]))
    }
}

/// What a login shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed<P> {
    /// The connection that it replaces, if it is still there.
    pub replaced: Option<P>,
    /// The connection that stands after it: its own, unless it was overtaken.
    pub standing: P,
    /// Somebody else has the same identity.
    pub cloned: bool,
}

#[derive(Debug)]
struct Track<P> {
    place: P,
    token: Fingerprint,
    seen: u64,
    /// Tokens that were given up, and when.
    left: Vec<(Fingerprint, u64)>,
    /// When given-up tokens came back.
    returns: Vec<u64>,
}

/// Logins of devices, in the order in which they were let in. `P` is the place of a connection.
#[derive(Debug)]
pub struct Sightings<P> {
    tracks: HashMap<DeviceId, Track<P>>,
}

impl<P> Default for Sightings<P> {
    fn default() -> Self {
        Self {
            tracks: HashMap::new(),
        }
    }
}

impl<P: Clone + PartialOrd> Sightings<P> {
    /// A device was let in; `now` is in seconds.
    ///
    /// Places have an order where it is known which connection is older. A login that was overtaken is the
    /// one that is replaced, however late it is heard of: whoever decided about it may have hung, and the
    /// device have come back elsewhere long ago.
    pub fn admitted(
        &mut self,
        device: &DeviceId,
        token: &Fingerprint,
        place: &P,
        now: u64,
    ) -> Noticed<P> {
        let Some(track) = self.tracks.get_mut(device) else {
            self.make_room();
            let track = Track {
                place: place.clone(),
                token: token.clone(),
                seen: now,
                left: Vec::new(),
                returns: Vec::new(),
            };
            self.tracks.insert(device.clone(), track);
            return Noticed {
                replaced: None,
                standing: place.clone(),
                cloned: false,
            };
        };
        if *place < track.place {
            return Noticed {
                replaced: Some(place.clone()),
                standing: track.place.clone(),
                cloned: false,
            };
        }
        let before = std::mem::replace(&mut track.place, place.clone());
        Noticed {
            replaced: (before != *place).then_some(before),
            standing: place.clone(),
            cloned: track.moves_to(token, now),
        }
    }

    /// How many devices are remembered.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    fn make_room(&mut self) {
        if self.tracks.len() < DEVICES {
            return;
        }
        let mut seen: Vec<u64> = self.tracks.values().map(|track| track.seen).collect();
        // Many at once, because the search for the oldest looks at all.
        let (_, limit, _) = seen.select_nth_unstable(DEVICES / 8);
        let limit = *limit;
        self.tracks.retain(|_, track| track.seen > limit);
    }
}

impl<P> Track<P> {
    /// Whether that proves a clone. It is said once; then counting begins anew.
    fn moves_to(&mut self, token: &Fingerprint, now: u64) -> bool {
        self.seen = now;
        if self.token == *token {
            return false;
        }
        let recent = |at: u64| now.saturating_sub(at) <= WINDOW;
        self.left.retain(|(_, at)| recent(*at));
        self.returns.retain(|at| recent(*at));
        if let Some(index) = self.left.iter().position(|(left, _)| left == token) {
            self.left.remove(index);
            self.returns.push(now);
        }
        let before = std::mem::replace(&mut self.token, token.clone());
        if self.left.len() >= TOKENS {
            self.left.remove(0);
        }
        self.left.push((before, now));
        let cloned = self.returns.len() >= RETURNS;
        if cloned {
            self.returns.clear();
        }
        cloned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn device() -> DeviceId {
        "dev-1".parse().expect("valid")
    }

    /// Logins with these tokens, a second apart, each on a connection of its own: which of them proved
    /// a clone.
    fn proofs(tokens: &str, pause: u64) -> Vec<usize> {
        let mut sightings = Sightings::default();
        let logins = tokens.chars().enumerate().filter(|(index, token)| {
            let token = Fingerprint::of(&token.to_string());
            let now = *index as u64 * pause;
            let noticed = sightings.admitted(&device(), &token, index, now);
            assert_eq!(noticed.replaced, index.checked_sub(1), "the one before");
            noticed.cloned
        });
        logins.map(|(index, _)| index).collect()
    }

    #[test]
    fn one_device_is_no_clone_however_often_it_comes_back() {
        assert_eq!(proofs("aaaaaaaaaa", 1), NONE);
        assert_eq!(proofs("abcdefghijklmnopqrstuvwxyz", 1), NONE);
        assert_eq!(proofs("aaabbbcccc", 1), NONE);
        // One login that was overtaken.
        assert_eq!(proofs("abacccdd", 1), NONE);
    }

    #[test]
    fn two_holders_of_a_key_are_found_when_both_have_come_back() {
        assert_eq!(proofs("abab", 1), [3]);
        assert_eq!(proofs("aabbaab", 1), [6]);
        // One of them mints a token for each login.
        assert_eq!(proofs("abacad", 1), [4]);
        assert_eq!(proofs("ababab", 1), [3, 5], "and again while it goes on");
    }

    #[test]
    fn what_is_long_ago_proves_nothing() {
        assert_eq!(proofs("abab", WINDOW + 1), NONE);
    }

    #[test]
    fn the_same_connection_replaces_nothing() {
        let mut sightings = Sightings::default();
        let token = Fingerprint::of("a");
        for _ in 0..2 {
            let noticed = sightings.admitted(&device(), &token, &1, 0);
            assert_eq!(noticed.replaced, None);
        }
        assert_eq!(sightings.len(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut sightings = Sightings::default();
        let token = Fingerprint::of("a");
        for number in 0..=DEVICES {
            let device = format!("dev-{number}").parse().expect("valid");
            sightings.admitted(&device, &token, &number, number as u64);
        }
        assert!(sightings.len() <= DEVICES);
        let last = format!("dev-{DEVICES}").parse().expect("valid");
        let noticed = sightings.admitted(&last, &token, &(DEVICES + 1), 0);
        assert_eq!(noticed.replaced, Some(DEVICES));
    }

    #[test]
    fn a_login_that_was_overtaken_replaces_nothing_newer() {
        let mut sightings = Sightings::default();
        let mut admitted = |token: &str, place: usize| {
            let noticed = sightings.admitted(&device(), &Fingerprint::of(token), &place, 0);
            (noticed.replaced, noticed.standing)
        };
        assert_eq!(admitted("a", 1), (None, 1));
        assert_eq!(admitted("b", 3), (Some(1), 3));
        assert_eq!(admitted("a", 2), (Some(2), 3), "heard of late");
        assert_eq!(admitted("b", 4), (Some(3), 4));
    }
}
