use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

/// Where the signature of a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// In a file of its own, at this address.
    Beside(String),
    /// Around the list, in the same file.
    Inline,
}

/// The fingerprint of an `OpenPGP` key, version 4: 40 hexadecimal digits, upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Cow<'static, str>);

/// Text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fingerprint of an OpenPGP key: write 40 hexadecimal digits, upper case")]
pub struct InvalidFingerprint(String);

impl Fingerprint {
    /// One that stands in this program; a test holds it to the rule.
    pub(super) const fn of(hex: &'static str) -> Self {
        Self(Cow::Borrowed(hex))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(given: &str) -> Result<Self, InvalidFingerprint> {
        let digit = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        if given.len() == 40 && given.bytes().all(digit) {
            Ok(Self(Cow::Owned(given.to_owned())))
        } else {
            Err(InvalidFingerprint(given.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that a distribution signs its images' checksums with. It is known by its fingerprint, so it
/// may come from anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Which it is.
    pub fingerprint: Fingerprint,
    /// Where packages of distributions put it.
    pub files: &'static [&'static str],
    /// Where it can be had.
    pub url: String,
}

/// Why a list is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Nobody whom we know signed it.
    #[error(
        "the list of checksums is not signed by {fingerprint}: {told}; do not use it, and try again later or \
         from another network"
    )]
    NotSigned {
        /// Who should have.
        fingerprint: Fingerprint,
        /// What the verifier said.
        told: String,
    },
    /// A key that cannot be read.
    #[error("the file with the signing key {0} holds no OpenPGP key: give another by --keyring")]
    NoKey(Fingerprint),
}

impl SignatureError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotSigned { .. } => "ListNotSigned",
            Self::NoKey(_) => "KeyInvalid",
        }
    }
}

/// Whether a list is signed by that very key, by what `gpgv --status-fd` says (`doc/DETAILS` of `GnuPG`).
/// Signatures of other keys beside it do no harm. One of a key that expired or was revoked is valid,
/// and not good.
///
/// # Errors
/// When it is not.
pub fn signed_by(status: &str, key: &Fingerprint) -> Result<(), SignatureError> {
    let lines: Vec<_> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .collect();
    let mut signatures = lines.split(|words| words.first() == Some(&"NEWSIG"));
    let says = |signature: &[Vec<&str>], word| signature.iter().any(|it| it.first() == Some(&word));
    let signed = signatures.any(|signature| {
        let by = signature.iter().find(|it| it.first() == Some(&"VALIDSIG"));
        let by = by.and_then(|words| words.get(1));
        by == Some(&key.as_str()) && says(signature, "GOODSIG")
    });
    if signed {
        return Ok(());
    }
    let told = [
        "BADSIG",
        "ERRSIG",
        "REVKEYSIG",
        "EXPKEYSIG",
        "EXPSIG",
        "GOODSIG",
    ];
    let told = lines
        .iter()
        .filter(|it| it.first().is_some_and(|word| told.contains(word)));
    let told: Vec<_> = told.take(4).map(|words| words.join(" ")).collect();
    Err(SignatureError::NotSigned {
        fingerprint: key.clone(),
        told: match told.join("; ") {
            told if told.is_empty() => "it has no signature".to_owned(),
            told => told.chars().take(300).collect(),
        },
    })
}

/// A key as `gpgv` reads it: what is armored (RFC 9580, section 6) is taken out of that.
///
/// # Errors
/// When it is neither.
pub fn binary_key(file: &[u8], key: &Fingerprint) -> Result<Vec<u8>, SignatureError> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    // The first octet of an OpenPGP packet has its highest bit set; a keybox says what it is.
    let packet = file.first().is_some_and(|first| *first >= 0x80);
    if packet || file.get(8..12) == Some(b"KBXf") {
        return Ok(file.to_owned());
    }
    let text = String::from_utf8_lossy(file);
    let block = text.split_once(BEGIN).and_then(|(_, rest)| {
        let mut lines = rest.lines().skip(1).map(str::trim_end);
        // Headers, up to an empty line.
        lines.by_ref().find(|line| line.is_empty())?;
        // Data, up to its checksum or the end.
        let data = lines.take_while(|line| !line.starts_with(['=', '-']));
        BASE64.decode(data.collect::<String>().as_bytes()).ok()
    });
    block
        .filter(|data| !data.is_empty())
        .ok_or(SignatureError::NoKey(key.clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;

    use super::*;

    const KEY: Fingerprint = Fingerprint::of("0123456789ABCDEF0123456789ABCDEF01234567");

    fn block(word: &str, by: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] {word} 0123 Somebody\n[GNUPG:] VALIDSIG {by} 2026-01-01 1 0 4 0 1 10 00 {by}\n"
        )
    }

    #[test]
    fn only_a_good_signature_of_that_key_counts() {
        let (key, other) = (KEY, "F".repeat(40));
        let ours = key.as_str();
        for status in [
            block("GOODSIG", ours),
            block("GOODSIG", &other) + &block("GOODSIG", ours),
            format!(
                "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 1 1 1 1 1\n{}",
                block("GOODSIG", ours)
            ),
        ] {
            assert_eq!(signed_by(&status, &KEY), Ok(()), "{status}");
        }
        for status in [
            String::new(),
            block("GOODSIG", &other),
            block("EXPKEYSIG", ours),
            block("REVKEYSIG", ours),
            "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 0123 Somebody\n".to_owned(),
            // Good is one, and ours another.
            block("GOODSIG", &other) + &block("REVKEYSIG", ours),
            block("GOODSIG", ours).replace("[GNUPG:] ", ""),
            block("GOODSIG", &ours.to_lowercase()),
        ] {
            let error = signed_by(&status, &KEY).expect_err(&status);
            assert_eq!(error.reason(), "ListNotSigned");
            assert!(error.to_string().contains(ours), "{error}");
        }
    }

    #[test]
    fn keys_are_taken_out_of_their_armor() {
        let armored = "remark\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nVersion: 1\r\n\r\nmQEN\r\nBFIB\r\n=abcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n";
        let key = binary_key(armored.as_bytes(), &KEY).expect("a key");
        assert_eq!(key, [0x99, 0x01, 0x0d, 0x04, 0x52, 0x01]);
        assert_eq!(binary_key(&key, &KEY), Ok(key.clone()));
        for file in [
            "",
            "<html>",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\nmQEN\n",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ N\n",
        ] {
            let error = binary_key(file.as_bytes(), &KEY).expect_err(file);
            assert_eq!(error.reason(), "KeyInvalid");
        }
    }

    proptest! {
        #[test]
        fn no_answer_and_no_file_is_too_strange(text in any::<String>(), file in any::<Vec<u8>>()) {
            let _ = signed_by(&text, &KEY);
            let _ = binary_key(&file, &KEY);
            let _ = binary_key(format!("-----BEGIN PGP PUBLIC KEY BLOCK-----{text}").as_bytes(), &KEY);
        }
    }
}
