//! Free ports.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Mutex;

use crate::process::lock;

/// Ports given out in this process: the kernel may offer one again before its server has bound it.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is free on 127.0.0.1 and that this process has not given out before.
pub(crate) fn free() -> io::Result<u16> {
    free_on(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The same on another address.
pub(crate) fn free_on(address: IpAddr) -> io::Result<u16> {
    loop {
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        if lock(&GIVEN).insert(port) {
            return Ok(port);
        }
    }
}
