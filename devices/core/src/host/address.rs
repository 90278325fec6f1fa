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

impl Address {
    /// Reads `[user@]host[:port]`, and takes the rest from these.
    ///
    /// # Errors
    /// When it is none, or nothing says who logs in.
    pub fn with_defaults(
        text: &str,
        user: Option<&str>,
        port: Option<u16>,
    ) -> Result<Self, InvalidAddress> {
        let whole = match user {
            Some(user) if !text.contains('@') => format!("{user}@{text}"),
            _ => text.to_owned(),
        };
        let address: Self = whole.parse().map_err(|_| InvalidAddress(cut(text)))?;
        // As the text has it: a port that is written there goes before.
        let place = text.rsplit_once('@').map_or(text, |(_, place)| place);
        let written = place.rsplit_once(']').map_or(place, |(_, rest)| rest);
        let port = port.filter(|_| !written.contains(':'));
        Ok(Self {
            port: port.unwrap_or(address.port),
            ..address
        })
    }

    /// Which machine that is, whoever logs in.
    pub fn place(&self) -> (String, u16) {
        (self.host.to_ascii_lowercase(), self.port)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(cut(text));
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
    fn what_is_not_written_comes_from_the_defaults() {
        let read = |text, user, port| Address::with_defaults(text, user, port).expect("a login");
        let plain = read("robot-7", Some("pi"), Some(2222));
        assert_eq!(plain.to_string(), "pi@robot-7:2222");
        let written = read("root@robot-7:22", Some("pi"), Some(2222));
        assert_eq!(written.to_string(), "root@robot-7");
        assert_eq!(read("[2001:db8::1]", Some("pi"), Some(5)).port, 5);
        assert_eq!(read("[2001:db8::1]:7", Some("pi"), Some(5)).port, 7);
        let nobody = Address::with_defaults("robot-7", None, None);
        assert!(nobody.expect_err("nobody").to_string().contains("robot-7"));
        assert_eq!(plain.place(), read("x@ROBOT-7", None, Some(2222)).place());
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
