//! The device's public key, and the id that follows from it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::checked_string;
use crate::id::InvalidName;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// Longer than the longest key taken.
const MAX_PEM: usize = 4096;
/// Modulus sizes taken, in bytes: 2048, 3072 and 4096 bits.
const SIZES: [u16; 3] = [256, 384, 512];
/// `rsaEncryption` with its NULL parameter (RFC 3279 §2.3.1).
const ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// The exponent 65537, as a DER integer.
const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// Not a public key that a device may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a device's public key: it must be RSA of 2048, 3072 or 4096 bits with exponent 65537, as PEM \"PUBLIC KEY\""
)]
pub struct InvalidKey;

/// A device's RSA public key. PEM in JSON and text (`SubjectPublicKeyInfo`, RFC 5280 §4.1).
///
/// Only the one DER encoding of each key is taken, so a key has one [`EnrolmentId`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DevicePublicKey(Vec<u8>);

impl DevicePublicKey {
    /// From the DER form.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        let fits = |size: u16| {
            let prefix = prefix(size);
            let modulus = der
                .strip_prefix(&prefix[..])
                .and_then(|rest| rest.strip_suffix(&EXPONENT));
            // The top bit is set or the key is shorter than its length; even is no RSA modulus.
            modulus.is_some_and(|m| {
                m.len() == usize::from(size)
                    && m.first().is_some_and(|b| b & 0x80 != 0)
                    && m.last().is_some_and(|b| b & 1 == 1)
            })
        };
        if SIZES.into_iter().any(fits) {
            Ok(Self(der.to_vec()))
        } else {
            Err(InvalidKey)
        }
    }

    /// The DER form.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// For people to compare: `SHA256:` and the hash of the DER form in base64, as ssh shows keys.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.0);
        format!("SHA256:{}", STANDARD_NO_PAD.encode(digest))
    }

    /// The id of this key's enrolment.
    pub fn enrolment_id(&self) -> EnrolmentId {
        let digest = Sha256::digest(&self.0);
        EnrolmentId(HEXLOWER.encode(&digest[..ID_LENGTH / 2]).into())
    }
}

/// All that comes before the modulus, for a modulus of `size` bytes.
fn prefix(size: u16) -> Vec<u8> {
    let long = |tag: u8, length: u16| {
        let [high, low] = length.to_be_bytes();
        [tag, 0x82, high, low]
    };
    let mut der = Vec::with_capacity(33);
    der.extend(long(0x30, size + 34));
    der.extend(ALGORITHM);
    der.extend(long(0x03, size + 15));
    der.push(0);
    der.extend(long(0x30, size + 10));
    // A leading zero keeps the number positive.
    der.extend(long(0x02, size + 1));
    der.push(0);
    der
}

impl fmt::Debug for DevicePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevicePublicKey({})", self.fingerprint())
    }
}

impl fmt::Display for DevicePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = STANDARD.encode(&self.0);
        writeln!(f, "{BEGIN}")?;
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            writeln!(f, "{line}")?;
            rest = more;
        }
        writeln!(f, "{END}")
    }
}

impl FromStr for DevicePublicKey {
    type Err = InvalidKey;

    fn from_str(pem: &str) -> Result<Self, Self::Err> {
        let body = (pem.len() <= MAX_PEM)
            .then(|| pem.trim().strip_prefix(BEGIN)?.strip_suffix(END))
            .flatten()
            .ok_or(InvalidKey)?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| InvalidKey)?;
        Self::from_der(&der)
    }
}

impl TryFrom<String> for DevicePublicKey {
    type Error = InvalidKey;

    fn try_from(pem: String) -> Result<Self, Self::Error> {
        pem.parse()
    }
}

impl From<DevicePublicKey> for String {
    fn from(key: DevicePublicKey) -> Self {
        key.to_string()
    }
}

/// 160 bits: nobody finds a second key with the same id, and it still fits a label's value.
const ID_LENGTH: usize = 40;

checked_string!(
    /// Names an enrolment: the first 40 hexadecimal digits of the SHA-256 of the key's DER form, so
    /// both ends know it from the key alone. Also the name of its `DeviceEnrolment`.
    EnrolmentId, kind: "enrolment id", max: ID_LENGTH, pattern: "^[0-9a-f]{40}$",
    rule: "40 digits of 0-9 and a-f", check: is_id, error: InvalidName
);

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../tests/data/v1-device-key.pem");

    #[test]
    fn a_key_survives_the_round_trip_and_has_one_id() {
        let key: DevicePublicKey = PEM.parse().expect("a key");
        assert_eq!(key.to_string(), PEM);
        assert_eq!(DevicePublicKey::from_der(key.as_der()), Ok(key.clone()));
        let unwrapped = PEM.replacen('\n', "", 2).replace('\n', "\r\n");
        assert_eq!(unwrapped.parse(), Ok(key));
    }

    #[test]
    fn another_algorithm_exponent_size_or_encoding_is_refused() {
        let key: DevicePublicKey = PEM.parse().expect("a key");
        let changed = |at: usize, to: u8| {
            let mut der = key.as_der().to_vec();
            der[at] = to;
            DevicePublicKey::from_der(&der)
        };
        let last = key.as_der().len() - 1;
        assert_eq!(changed(last, 3), Err(InvalidKey), "exponent");
        assert_eq!(changed(14, 0x02), Err(InvalidKey), "algorithm");
        assert_eq!(changed(33, 0x01), Err(InvalidKey), "fewer bits than bytes");
        assert_eq!(changed(last - 5, 0x02), Err(InvalidKey), "even modulus");
        let longer = [key.as_der(), &[0]].concat();
        assert_eq!(DevicePublicKey::from_der(&longer), Err(InvalidKey));
        assert_eq!(DevicePublicKey::from_der(&[]), Err(InvalidKey));
        for text in [
            "",
            BEGIN,
            &format!("{BEGIN}{END}"),
            &PEM.replace("PUBLIC", "PRIVATE"),
        ] {
            assert_eq!(text.parse::<DevicePublicKey>(), Err(InvalidKey), "{text}");
        }
    }

    #[test]
    fn an_id_is_forty_digits() {
        let id = PEM
            .parse::<DevicePublicKey>()
            .expect("a key")
            .enrolment_id();
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for text in ["", "abc", &"A".repeat(40), &"0".repeat(41), &"/".repeat(40)] {
            assert!(text.parse::<EnrolmentId>().is_err(), "{text}");
        }
    }
}
