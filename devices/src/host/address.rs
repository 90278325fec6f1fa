use std::fmt;
use std::str::FromStr;

/// SSH's.
const PORT: u16 = 22;

/// A login on a host: `user@host[:port]`, with an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Who logs in.
    pub user: String,
    /// A name or an address.
    pub host: String,
    /// Where SSH listens.
    pub port: u16,
}

/// A text that is no such login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no login on a host; write user@host, user@host:port or user@[2001:db8::1]:port")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.chars().take(80).collect());
        let (user, place) = text.rsplit_once('@').ok_or_else(invalid)?;
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
                let bare = rest.is_empty();
                let port = if bare {
                    Some("")
                } else {
                    rest.strip_prefix(':')
                };
                (host, port.ok_or_else(invalid)?)
            }
            None if place.matches(':').count() > 1 => return Err(invalid()),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let port = match port {
            "" if place.ends_with(':') => return Err(invalid()),
            "" => PORT,
            port => port.parse().map_err(|_| invalid())?,
        };
        let usable = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.chars().all(|c| !c.is_whitespace() && !c.is_control())
        };
        if !usable(user) || !usable(host) || port == 0 {
            return Err(invalid());
        }
        Ok(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port } = self;
        match (host.contains(':'), *port) {
            (true, port) => write!(f, "{user}@[{host}]:{port}"),
            (false, PORT) => write!(f, "{user}@{host}"),
            (false, port) => write!(f, "{user}@{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn logins_are_read_in_all_their_forms() {
        let read = |text: &str| text.parse::<Address>().expect(text);
        let plain = read("pi@robot-7");
        assert_eq!(
            (plain.user.as_str(), plain.host.as_str(), plain.port),
            ("pi", "robot-7", 22)
        );
        assert_eq!(read("pi@10.0.0.7:2222").port, 2222);
        let six = read("root@[2001:db8::1]:22");
        assert_eq!(
            (six.host.as_str(), six.to_string().as_str()),
            ("2001:db8::1", "root@[2001:db8::1]:22")
        );
        assert_eq!(read("pi@robot-7").to_string(), "pi@robot-7");
    }

    #[test]
    fn what_is_no_login_is_refused() {
        for text in [
            "robot-7",
            "@host",
            "pi@",
            "pi@host:",
            "pi@host:0",
            "pi@::1",
            "pi@[::1",
            "-o@h",
            "a@-oProxy",
            "a b@h",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
