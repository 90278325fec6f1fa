//! Texts of flags that parse into more than a string.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use fleet_contracts::score::{EnvName, InvalidField, Port, Protocol};

/// Why the text of a flag was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not a published port.
    #[error(
        "a port is [IP:]HOST:CONTAINER[/tcp|/udp] with numbers from 1 to 65535, such as 8080:80"
    )]
    Port,
    /// Not a variable.
    #[error("an environment variable is KEY=VALUE, such as LOG_LEVEL=debug")]
    Env,
    /// Not the name of a variable.
    #[error(transparent)]
    EnvName(#[from] InvalidField),
    /// Not a time.
    #[error("a time is a number and a unit (s, m or h), such as 90s, 5m or 1h30m")]
    Duration,
}

/// `--port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFlag(pub Port);

impl FromStr for PortFlag {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (ports, protocol) = match given.rsplit_once('/') {
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some(_) => return Err(InvalidValue::Port),
            None => (given, Protocol::Tcp),
        };
        let (host, container) = ports.rsplit_once(':').ok_or(InvalidValue::Port)?;
        // The last colon before the host port ends the address; IPv6 has more of them, in brackets.
        let (ip, host) = match host.rsplit_once(':') {
            Some((ip, host)) => (Some(parse_ip(ip)?), host),
            None => (None, host),
        };
        Ok(Self(Port {
            host_port: parse_port(host)?,
            container_port: parse_port(container)?,
            protocol,
            host_ip: ip,
        }))
    }
}

fn parse_ip(given: &str) -> Result<IpAddr, InvalidValue> {
    let bare = given
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(given);
    bare.parse().map_err(|_| InvalidValue::Port)
}

fn parse_port(given: &str) -> Result<u16, InvalidValue> {
    match given.parse() {
        Ok(0) | Err(_) => Err(InvalidValue::Port),
        Ok(port) => Ok(port),
    }
}

/// `--env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// The variable.
    pub name: EnvName,
    /// Its value; may be empty.
    pub value: String,
}

impl FromStr for EnvVar {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (name, value) = given.split_once('=').ok_or(InvalidValue::Env)?;
        Ok(Self {
            name: name.parse()?,
            value: value.to_owned(),
        })
    }
}

/// A time as kubectl takes it: `90s`, `5m`, `1h30m`.
pub fn parse_duration(given: &str) -> Result<Duration, InvalidValue> {
    let mut rest = given;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or(InvalidValue::Duration)?;
        let number: u64 = rest[..digits].parse().map_err(|_| InvalidValue::Duration)?;
        let unit = match rest.as_bytes().get(digits) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            _ => return Err(InvalidValue::Duration),
        };
        seconds = number
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or(InvalidValue::Duration)?;
        rest = &rest[digits + 1..];
    }
    if given.is_empty() {
        Err(InvalidValue::Duration)
    } else {
        Ok(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("8080:80", Some((8080, 80, Protocol::Tcp, None)))]
    #[case("53:5353/udp", Some((53, 5353, Protocol::Udp, None)))]
    #[case("127.0.0.1:1:2/tcp", Some((1, 2, Protocol::Tcp, Some("127.0.0.1"))))]
    #[case("[::1]:1:2", Some((1, 2, Protocol::Tcp, Some("::1"))))]
    #[case("80", None)]
    #[case("0:80", None)]
    #[case("80:65536", None)]
    #[case("80:80/sctp", None)]
    #[case("host:80:80", None)]
    #[case("", None)]
    fn ports(#[case] given: &str, #[case] expected: Option<(u16, u16, Protocol, Option<&str>)>) {
        let parsed = given.parse::<PortFlag>().ok().map(|PortFlag(p)| {
            (
                p.host_port,
                p.container_port,
                p.protocol,
                p.host_ip.map(|ip| ip.to_string()),
            )
        });
        let expected = expected.map(|(h, c, p, ip)| (h, c, p, ip.map(str::to_owned)));
        assert_eq!(parsed, expected);
    }

    #[rstest]
    #[case("A=b=c", Some(("A", "b=c")))]
    #[case("A=", Some(("A", "")))]
    #[case("A", None)]
    #[case("1A=x", None)]
    fn variables(#[case] given: &str, #[case] expected: Option<(&str, &str)>) {
        let parsed = given.parse::<EnvVar>().ok();
        assert_eq!(
            parsed.as_ref().map(|v| (v.name.as_str(), v.value.as_str())),
            expected
        );
    }

    #[rstest]
    #[case("90s", Some(90))]
    #[case("1h30m", Some(5400))]
    #[case("0s", Some(0))]
    #[case("5", None)]
    #[case("", None)]
    #[case("5d", None)]
    #[case("99999999999999999h", None)]
    fn durations(#[case] given: &str, #[case] expected: Option<u64>) {
        assert_eq!(
            parse_duration(given).ok(),
            expected.map(Duration::from_secs)
        );
    }
}
