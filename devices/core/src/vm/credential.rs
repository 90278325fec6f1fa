//! What an administrator logs in with.

use std::fmt;
use std::str::FromStr;

/// Why nobody could log in with it. What was given is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// What is no public key. It is not repeated: it may well be a private one.
    #[error(
        "an authorized key is none: give one line of an SSH public key file, such as \
         \"ssh-ed25519 AAAA... name@host\", without options in front"
    )]
    InvalidKey,
    /// What is no hashed password. It is not repeated: it may well be a plain one.
    #[error(
        "the administrator's password is not hashed: give what \"mkpasswd\" or \"openssl passwd -6\" \
         prints, which begins with \"$\""
    )]
    InvalidPassword,
}

impl CredentialError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidKey => "InvalidKey",
            Self::InvalidPassword => "InvalidPassword",
        }
    }
}

/// One line of `authorized_keys`: kind, key and perhaps a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey(String);

impl AuthorizedKey {
    /// The kinds that OpenSSH still takes by itself.
    const KINDS: [&str; 7] = [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    /// Several times the largest RSA key, in bytes.
    const MAX: usize = 16 * 1024;

    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AuthorizedKey {
    type Err = CredentialError;

    fn from_str(given: &str) -> Result<Self, CredentialError> {
        let line = given.trim();
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().is_some_and(|kind| Self::KINDS.contains(&kind));
        let key = words.next().is_some_and(is_key);
        if kind && key && line.len() <= Self::MAX && line.chars().all(is_readable) {
            Ok(Self(line.to_owned()))
        } else {
            Err(CredentialError::InvalidKey)
        }
    }
}

/// Base64 of a blob that begins with the length of its kind, less than 64 KiB.
fn is_key(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.len() - digits.len() <= 2
        && text.len().is_multiple_of(4)
        && digits.len() >= 64
        && digits.starts_with("AAAA")
        && digits.bytes().all(digit)
}

/// YAML's readers take it inside quotes, and leave it as it is.
fn is_readable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A password as `/etc/shadow` has it. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(String);

impl HashedPassword {
    /// The hash.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HashedPassword {
    type Err = CredentialError;

    fn from_str(given: &str) -> Result<Self, CredentialError> {
        // yescrypt and its kin, scrypt, SHA-512, SHA-256, bcrypt: what Debian's libcrypt knows and is
        // not broken.
        let kinds = ["y", "gy", "7", "6", "5", "2b", "2y"];
        let digit = |b: u8| b.is_ascii_alphanumeric() || b"./$=,+-".contains(&b);
        let mut parts = given.split('$');
        let hashed = parts.next() == Some("")
            && parts.next().is_some_and(|kind| kinds.contains(&kind))
            && parts.clone().count() >= 2
            && parts.all(|part| !part.is_empty())
            && given.bytes().all(digit);
        if hashed && given.len() <= 512 {
            Ok(Self(given.to_owned()))
        } else {
            Err(CredentialError::InvalidPassword)
        }
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(..)")
    }
}

/// The key by which a machine proves to be itself: made before it exists, so that nobody has to believe it
/// at first sight. It does not show its private half.
#[derive(Clone, PartialEq, Eq)]
pub struct HostKey {
    private: String,
    public: AuthorizedKey,
}

impl HostKey {
    /// An Ed25519 key in OpenSSH's form, and its public half.
    ///
    /// # Errors
    /// When the first is no private key, or the second no public one of that kind.
    pub fn ed25519(private: &str, public: &str) -> Result<Self, CredentialError> {
        let public: AuthorizedKey = public.parse()?;
        let kind = public.as_str().starts_with("ssh-ed25519 ");
        let private_half = private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")
            && private.is_ascii()
            && private.chars().all(|c| c == '\n' || is_readable(c));
        if !kind || !private_half {
            return Err(CredentialError::InvalidKey);
        }
        Ok(Self {
            private: private.to_owned(),
            public,
        })
    }

    /// The private half.
    pub(super) fn private(&self) -> &str {
        &self.private
    }

    /// The public half.
    pub(super) fn public(&self) -> &str {
        self.public.as_str()
    }

    /// The line of `known_hosts` for a machine that answers at this port of the loopback address.
    pub fn known_hosts_line(&self, port: u16) -> String {
        let mut words = self.public.as_str().split_ascii_whitespace();
        let (kind, key) = (words.next(), words.next());
        let (kind, key) = (kind.unwrap_or_default(), key.unwrap_or_default());
        format!("[127.0.0.1]:{port} {kind} {key}\n")
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostKey").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z ops@example";
    const HASH: &str = "$6$rounds=5000$abcdefgh$Hs1vbqz0dYlUt6zBw3pFz3b7F8a1QeKJ0n9rT5mXc2W";

    #[test]
    fn only_public_keys_on_one_line_are_taken() {
        let taken = |given: &str| given.parse::<AuthorizedKey>().is_ok();
        let (kind, rest) = KEY.split_once(' ').expect("two words");
        assert!(taken(KEY) && taken(&format!("{KEY}\n")));
        assert!(taken(&format!("{KEY} é")));
        for given in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &format!("ssh-dss {rest}"),
            &format!("command=\"x\" {KEY}"),
            &format!("{kind} B{rest}"),
            &format!("{KEY}\n{KEY}"),
            &format!("{KEY}\u{7f}x"),
            &format!("{KEY}\u{85}x"),
            &format!("{KEY}\u{2028}x"),
        ] {
            let error = given.parse::<AuthorizedKey>().expect_err(given);
            assert_eq!(error.reason(), "InvalidKey");
            assert!(!error.to_string().contains("PRIVATE"), "{error}");
        }
    }

    #[test]
    fn a_host_key_shows_its_public_half_only() {
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
        let key = HostKey::ed25519(private, KEY).expect("a key");
        assert!(!format!("{key:?}").contains("c2VjcmV0"), "{key:?}");
        let line = key.known_hosts_line(2222);
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let expected: Vec<_> = KEY.split_ascii_whitespace().take(2).collect();
        assert_eq!((words[0], &words[1..]), ("[127.0.0.1]:2222", &expected[..]));
        assert!(HostKey::ed25519(KEY, KEY).is_err());
        assert!(HostKey::ed25519(&format!("{private}\t"), KEY).is_err());
    }

    #[test]
    fn only_hashed_passwords_are_taken() {
        for hash in [
            HASH,
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        ] {
            assert!(hash.parse::<HashedPassword>().is_ok(), "{hash}");
        }
        for given in [
            "",
            "secret",
            "$1$salt$hash",
            "$6$",
            "$6$a$",
            "$6$a$b c",
            "$6$a$b:c",
        ] {
            let error = given.parse::<HashedPassword>().expect_err(given);
            assert_eq!(error.reason(), "InvalidPassword");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
