//! One key and what comes before and after it.

use std::collections::BTreeMap;

use fleet_keys::{KeyError, SecretKey};
use k8s_openapi::ByteString;

use super::catalogue::{NEXT, Name, PREVIOUS};

/// Why a key is not changed, or not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The Secret has no such entry, or something else in it. It is not overwritten.
    #[error("the Secret {secret} holds in {entry} no {what}; put it right, or delete the Secret")]
    Content {
        /// Its name.
        secret: &'static str,
        /// Its entry.
        entry: String,
        /// What it should hold.
        what: fleet_keys::KeyKind,
    },
    /// The change before this one is not over.
    #[error("{0} still has a previous key: `--retire {0}` first, once nobody uses that any more")]
    RetireFirst(Name),
    /// Nothing comes next.
    #[error("{0} has no next key: `--rotate {0}` first")]
    RotateFirst(Name),
    /// What would be retired is still in use.
    #[error("the next key of {0} is not in use yet: `--switch {0}` first, once everybody knows it")]
    SwitchFirst(Name),
    /// No key could be made.
    #[error(transparent)]
    Make(#[from] KeyError),
}

/// What is done to a key. Each turn repeated does nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Adds a next key, which is known from then on and not used.
    Rotate,
    /// The next key is used, the one that was used is still known.
    Switch,
    /// Drops the previous key.
    Retire,
}

/// A key with its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    current: SecretKey,
    next: Option<SecretKey>,
    previous: Option<SecretKey>,
}

impl Ring {
    /// One key alone.
    pub fn new(current: SecretKey) -> Self {
        Self {
            current,
            next: None,
            previous: None,
        }
    }

    /// What a Secret holds.
    ///
    /// # Errors
    /// [`RingError::Content`].
    pub fn read(name: Name, data: &BTreeMap<String, ByteString>) -> Result<Self, RingError> {
        let content = |entry: &str| RingError::Content {
            secret: name.secret(),
            entry: entry.to_owned(),
            what: name.kind(),
        };
        let find = |ending: &str| -> Result<Option<SecretKey>, RingError> {
            let entry = [name.entry(), ending].concat();
            let Some(bytes) = data.get(&entry) else {
                return Ok(None);
            };
            let text = std::str::from_utf8(&bytes.0).map_err(|_| content(&entry))?;
            let key = SecretKey::parse(name.kind(), text).map_err(|_| content(&entry))?;
            Ok(Some(key))
        };
        Ok(Self {
            current: find("")?.ok_or_else(|| content(name.entry()))?,
            next: find(NEXT)?,
            previous: find(PREVIOUS)?,
        })
    }

    /// Puts it into a Secret's data; entries of others stay.
    pub fn write(&self, name: Name, data: &mut BTreeMap<String, ByteString>) {
        let slots = [
            ("", Some(&self.current)),
            (NEXT, self.next.as_ref()),
            (PREVIOUS, self.previous.as_ref()),
        ];
        for (ending, key) in slots {
            let entry = [name.entry(), ending].concat();
            match key {
                Some(key) => data.insert(entry, ByteString(key.expose().into())),
                None => data.remove(&entry),
            };
        }
    }

    /// The key that is used.
    pub const fn current(&self) -> &SecretKey {
        &self.current
    }

    /// All keys that whoever checks must know, the one that is used first.
    pub fn known(&self) -> impl Iterator<Item = &SecretKey> {
        let others = [self.next.as_ref(), self.previous.as_ref()];
        std::iter::once(&self.current).chain(others.into_iter().flatten())
    }

    /// The ring after a turn; the same if that turn was done before.
    ///
    /// # Errors
    /// When another turn has to come first, or no key can be made.
    pub fn turned(self, name: Name, turn: Turn) -> Result<Self, RingError> {
        match (turn, &self.next, &self.previous) {
            (Turn::Rotate, Some(_), _)
            | (Turn::Switch, None, Some(_))
            | (Turn::Retire, None, None) => Ok(self),
            (Turn::Rotate, None, Some(_)) => Err(RingError::RetireFirst(name)),
            (Turn::Rotate, None, None) => Ok(Self {
                next: Some(SecretKey::make(name.kind())?),
                ..self
            }),
            (Turn::Switch, None, None) => Err(RingError::RotateFirst(name)),
            (Turn::Switch, Some(next), _) => Ok(Self {
                current: next.clone(),
                next: None,
                previous: Some(self.current),
            }),
            (Turn::Retire, Some(_), _) => Err(RingError::SwitchFirst(name)),
            (Turn::Retire, None, Some(_)) => Ok(Self {
                previous: None,
                ..self
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn ring() -> Ring {
        Ring::new(SecretKey::make(Name::Issuer.kind()).expect("made"))
    }

    fn turned(ring: &Ring, turn: Turn) -> Result<Ring, RingError> {
        ring.clone().turned(Name::Issuer, turn)
    }

    #[test]
    fn a_key_is_known_before_it_is_used_and_after() {
        let first = ring();
        let old = first.current.clone();
        let second = turned(&first, Turn::Rotate).expect("rotated");
        let new = second.next.clone().expect("a next key");
        let known = |ring: &Ring| ring.known().cloned().collect::<Vec<_>>();
        assert_eq!(known(&second), [old.clone(), new.clone()]);
        let third = turned(&second, Turn::Switch).expect("switched");
        assert_eq!(known(&third), [new.clone(), old]);
        let last = turned(&third, Turn::Retire).expect("retired");
        assert_eq!(known(&last), [new]);
    }

    #[test]
    fn a_turn_that_was_done_does_nothing_more_and_one_too_early_says_what_comes_first() {
        let one = ring();
        let rotated = turned(&one, Turn::Rotate).expect("rotated");
        let switched = turned(&rotated, Turn::Switch).expect("switched");
        for (ring, turn) in [
            (&rotated, Turn::Rotate),
            (&switched, Turn::Switch),
            (&one, Turn::Retire),
        ] {
            assert_eq!(turned(ring, turn).as_ref(), Ok(ring), "{turn:?}");
        }
        let name = Name::Issuer;
        let early = [
            (&one, Turn::Switch, RingError::RotateFirst(name)),
            (&rotated, Turn::Retire, RingError::SwitchFirst(name)),
            (&switched, Turn::Rotate, RingError::RetireFirst(name)),
        ];
        for (ring, turn, error) in early {
            assert_eq!(turned(ring, turn), Err(error));
        }
    }

    #[test]
    fn what_was_written_is_read_and_what_others_wrote_beside_it_stays() {
        let rotated = turned(&ring(), Turn::Rotate).expect("rotated");
        let theirs = ("note".to_owned(), ByteString(b"theirs".to_vec()));
        let mut data = BTreeMap::from([theirs.clone()]);
        for turn in [Turn::Rotate, Turn::Switch, Turn::Retire] {
            let ring = turned(&rotated, Turn::Switch).expect("switched");
            let ring = turned(&ring, turn).unwrap_or(rotated.clone());
            ring.write(Name::Issuer, &mut data);
            assert_eq!(Ring::read(Name::Issuer, &data), Ok(ring));
            assert_eq!(data.get(&theirs.0), Some(&theirs.1));
        }
        let error = Ring::read(Name::Xkey, &data).expect_err("of another kind");
        let text = error.to_string();
        assert!(text.contains("fleet-auth-xkey holds in seed"), "{text}");
    }
}
