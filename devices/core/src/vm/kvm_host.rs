//! Where libvirt is asked for virtual machines.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// A connection to libvirt: `qemu:///system`, `qemu:///session` or
/// `qemu+ssh://user@host[:port]/system`, and nothing else that libvirt's URIs could say. Parameters of
/// a URI name programs and sockets, so there are none.
///
/// One that stands in a program is checked when that is compiled, by [`kvm_host!`](crate::kvm_host!):
///
/// ```
/// use fleet_devices_core::kvm_host;
/// assert_eq!(kvm_host!("qemu:///system").to_string(), "qemu:///system");
/// ```
/// ```compile_fail
/// use fleet_devices_core::kvm_host;
/// assert_eq!(kvm_host!("qemu:///sytem").to_string(), "qemu:///sytem");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KvmHost {
    /// The machine's own libvirt, which needs its group or root.
    System,
    /// The user's own libvirt on this machine, which needs nobody's leave.
    Session,
    /// Another machine's own libvirt, by SSH.
    Remote(RemoteKvmHost),
}

/// A login on another machine with libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteKvmHost {
    user: Cow<'static, str>,
    host: Cow<'static, str>,
    port: Option<NonZeroU16>,
}

/// Text that is no such connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no connection to libvirt, {why}; write qemu:///system, qemu:///session or \
     qemu+ssh://user@host[:port]/system"
)]
pub struct InvalidKvmHost {
    given: String,
    why: &'static str,
}

impl InvalidKvmHost {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        "InvalidKvmHost"
    }
}

/// The connection that a literal names; what is none does not compile.
///
/// ```
/// use fleet_devices_core::kvm_host;
/// use fleet_devices_core::vm::KvmHost;
/// const LAB: KvmHost = kvm_host!("qemu+ssh://ops@lab-1:2222/system");
/// assert!(matches!(LAB, KvmHost::Remote(_)));
/// ```
/// ```compile_fail
/// use fleet_devices_core::kvm_host;
/// use fleet_devices_core::vm::KvmHost;
/// const LAB: KvmHost = kvm_host!("qemu+ssh://ops@lab-1:222222/system");
/// assert!(matches!(LAB, KvmHost::Remote(_)));
/// ```
#[macro_export]
macro_rules! kvm_host {
    ($uri:literal) => {
        const {
            match $crate::vm::kvm_host::Parts::of($uri) {
                Ok(parts) => $crate::vm::KvmHost::of(parts),
                Err(why) => panic!("{}", why),
            }
        }
    };
}

/// What a URI is made of, checked.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    kind: Kind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    System,
    Session,
    Remote(&'a str, &'a str, Option<NonZeroU16>),
}

const SSH: &str = "qemu+ssh://";
const SYSTEM: &str = "/system";

impl<'a> Parts<'a> {
    /// Takes a URI apart.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub const fn of(uri: &'a str) -> Result<Self, &'static str> {
        if same(uri, "qemu:///system") {
            return Ok(Self { kind: Kind::System });
        }
        if same(uri, "qemu:///session") {
            let kind = Kind::Session;
            return Ok(Self { kind });
        }
        let Some((scheme, rest)) = uri.split_at_checked(SSH.len()) else {
            return Err("no connection of this kind is known");
        };
        if !same(scheme, SSH) {
            return Err("no connection of this kind is known");
        }
        let place = match rest.len().checked_sub(SYSTEM.len()) {
            Some(at) if same(rest.split_at(at).1, SYSTEM) => rest.split_at(at).0,
            _ => return Err("a connection by SSH ends in /system"),
        };
        match remote(place) {
            Ok(kind) => Ok(Self { kind }),
            Err(why) => Err(why),
        }
    }
}

/// `user@host[:port]`, with an IPv6 address in brackets.
const fn remote(place: &str) -> Result<Kind<'_>, &'static str> {
    let Some((user, host)) = cut(place, b'@', 0) else {
        return Err("it does not say who logs in");
    };
    if !is_word(user, false) {
        return Err("the name of who logs in is none");
    }
    let end = match cut(host, b']', 0) {
        Some((inside, _)) => inside.len() + 1,
        None => 0,
    };
    let (host, port) = match cut(host, b':', end) {
        Some((host, port)) => match number(port) {
            Some(port) => (host, Some(port)),
            None => return Err("its port is none"),
        },
        None => (host, None),
    };
    if end > 0 && (end != host.len() || host.as_bytes()[0] != b'[') || !is_word(host, end > 0) {
        return Err("the name of the host is none");
    }
    Ok(Kind::Remote(user, host, port))
}

/// What stands before and after the first such byte from `from` on.
const fn cut(text: &str, byte: u8, from: usize) -> Option<(&str, &str)> {
    let mut at = from;
    while at < text.len() {
        if text.as_bytes()[at] == byte {
            let (before, after) = text.split_at(at);
            return Some((before, after.split_at(1).1));
        }
        at += 1;
    }
    None
}

const fn same(a: &str, b: &str) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a.as_bytes()[at] != b.as_bytes()[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Letters, digits, dots, underscores and dashes, none of these first: nothing that `ssh` or a URI
/// would take for something else.
const fn is_word(text: &str, address: bool) -> bool {
    let bytes = text.as_bytes();
    let inside = if address { 1 } else { 0 };
    let last = bytes.len().saturating_sub(inside);
    if last <= inside || bytes.len() > 255 || matches!(bytes[inside], b'-' | b'.') {
        return false;
    }
    let mut at = inside;
    while at < last {
        let known = match bytes[at] {
            b':' => address,
            b'-' | b'_' => !address,
            byte => byte == b'.' || byte.is_ascii_alphanumeric(),
        };
        if !known {
            return false;
        }
        at += 1;
    }
    true
}

const fn number(text: &str) -> Option<NonZeroU16> {
    let bytes = text.as_bytes();
    // `from_str_radix` takes a sign.
    if bytes.is_empty() || !bytes[0].is_ascii_digit() {
        return None;
    }
    match u16::from_str_radix(text, 10) {
        Ok(number) => NonZeroU16::new(number),
        Err(_) => None,
    }
}

impl KvmHost {
    /// Of what a program's own text says; [`kvm_host!`](crate::kvm_host!) calls it.
    pub const fn of(parts: Parts<'static>) -> Self {
        match parts.kind {
            Kind::System => Self::System,
            Kind::Session => Self::Session,
            Kind::Remote(user, host, port) => Self::Remote(RemoteKvmHost {
                user: Cow::Borrowed(user),
                host: Cow::Borrowed(host),
                port,
            }),
        }
    }

    /// Whether virtual machines run on this machine.
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::System | Self::Session)
    }
}

impl RemoteKvmHost {
    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A name or an address, the latter in brackets if it is one of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where SSH listens, if that was said.
    pub const fn port(&self) -> Option<NonZeroU16> {
        self.port
    }
}

impl FromStr for KvmHost {
    type Err = InvalidKvmHost;

    fn from_str(given: &str) -> Result<Self, InvalidKvmHost> {
        let parts = Parts::of(given).map_err(|why| InvalidKvmHost {
            given: given.chars().take(100).collect(),
            why,
        })?;
        Ok(match parts.kind {
            Kind::System => Self::System,
            Kind::Session => Self::Session,
            Kind::Remote(user, host, port) => Self::Remote(RemoteKvmHost {
                user: Cow::Owned(user.to_owned()),
                host: Cow::Owned(host.to_owned()),
                port,
            }),
        })
    }
}

/// As libvirt reads it.
impl fmt::Display for KvmHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("qemu:///system"),
            Self::Session => f.write_str("qemu:///session"),
            Self::Remote(RemoteKvmHost { user, host, port }) => {
                write!(f, "{SSH}{user}@{host}")?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                f.write_str(SYSTEM)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connections_are_read_as_they_are_written() {
        for uri in [
            "qemu:///system",
            "qemu:///session",
            "qemu+ssh://ops@lab-1/system",
            "qemu+ssh://ops@lab-1.example.com:2222/system",
            "qemu+ssh://_ops.2@10.0.0.7/system",
            "qemu+ssh://ops@[2001:db8::1]/system",
            "qemu+ssh://ops@[::1]:22/system",
        ] {
            let host: KvmHost = uri.parse().expect(uri);
            assert_eq!(host.to_string(), uri);
        }
        let six: KvmHost = "qemu+ssh://o@[::1]:2/system".parse().expect("a connection");
        let KvmHost::Remote(six) = six else {
            panic!("{six}");
        };
        assert_eq!((six.user(), six.host()), ("o", "[::1]"));
        assert_eq!(six.port().map(NonZeroU16::get), Some(2));
    }

    #[test]
    fn a_literal_is_the_same_as_what_is_read() {
        const LITERAL: KvmHost = crate::kvm_host!("qemu+ssh://ops@lab-1:2222/system");
        assert_eq!(Ok(LITERAL), "qemu+ssh://ops@lab-1:2222/system".parse());
    }

    #[test]
    fn whatever_else_a_uri_could_say_is_refused() {
        for uri in [
            "",
            "qemu",
            "qemu:///sytem",
            "qemu:///system ",
            "QEMU:///system",
            "qemu:///system?socket=/tmp/x",
            "xen:///system",
            "qemu+tcp://host/system",
            "qemu+ssh://host/system",
            "qemu+ssh://@host/system",
            "qemu+ssh://ops@/system",
            "qemu+ssh://ops@host/session",
            "qemu+ssh://ops@host/system?command=/bin/x",
            "qemu+ssh://ops@host",
            "qemu+ssh:///system",
            "qemu+ssh://-o@host/system",
            "qemu+ssh://ops@-oProxy/system",
            "qemu+ssh://a b@host/system",
            "qemu+ssh://ops@ho/st/system",
            "qemu+ssh://ops@host:/system",
            "qemu+ssh://ops@host:0/system",
            "qemu+ssh://ops@host:+1/system",
            "qemu+ssh://ops@host:65536/system",
            "qemu+ssh://ops@::1/system",
            "qemu+ssh://ops@[::1/system",
            "qemu+ssh://ops@x[::1]/system",
            "qemu+ssh://ops@[::1]x/system",
            "qemu+ssh://ops@[]/system",
            "qemu+ssh://öps@host/system",
            "öööööööööööööööööööö",
        ] {
            let error = uri.parse::<KvmHost>().expect_err(uri);
            assert_eq!(error.reason(), "InvalidKvmHost");
            assert!(error.to_string().contains("qemu:///session"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_strange(text in any::<String>(), place in "[a-z@:\\[\\]0-9.é-]{0,20}") {
            let _ = text.parse::<KvmHost>();
            let uri = format!("qemu+ssh://{place}/system");
            if let Ok(host) = uri.parse::<KvmHost>() {
                prop_assert_eq!(host.to_string(), uri);
            }
        }
    }
}
