use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU16;

use super::super::error::VmError;

/// Below those that Linux gives to connections that go out (ip(7), `ip_local_port_range`): a port is the machine's
/// for as long as it lives, also while it is off.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
const TRIES: usize = 200;

/// A port that nobody listens on and no other machine has. By chance: two that choose at the same time would
/// both take the lowest.
pub(super) fn free(taken: &BTreeSet<NonZeroU16>) -> Result<NonZeroU16, VmError> {
    for _ in 0..TRIES {
        let mut random = [0; 2];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| VmError::NoPort)?;
        let port = NonZeroU16::new(FIRST + u16::from_ne_bytes(random) % COUNT);
        let Some(port) = port.filter(|port| !taken.contains(port)) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port.get())).is_ok() {
            return Ok(port);
        }
    }
    Err(VmError::NoPort)
}
