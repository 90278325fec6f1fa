//! What time it is at the server.
//!
//! A device may have no clock that survives a power cut, and an identity provider takes nothing from
//! its future (Zitadel: more than 1 s). So the time is the server's, from the `Date` of its latest
//! answer, carried on by the device's own monotonic clock. Changes of the device's wall clock do
//! not matter.

use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::Tick;

/// The server's clock, as far as the device knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerClock {
    /// The server's time in seconds since 1970, and when the device heard it.
    heard: Option<(u64, Tick)>,
}

impl ServerClock {
    /// Takes the time from a `Date` header that arrived at `now`; what is none is ignored.
    ///
    /// The header was made before it arrived and is cut to seconds, so the clock never runs ahead.
    pub fn hear(&mut self, date: &str, now: Tick) {
        if let Some(seconds) = parse(date) {
            self.heard = Some((seconds, now));
        }
    }

    /// The server's time at `now`, in seconds since 1970; `wall`, the device's own, if nothing was
    /// heard yet.
    pub fn seconds(&self, now: Tick, wall: u64) -> u64 {
        self.heard.map_or(wall, |(server, at)| {
            server.saturating_add(now.since(at) / 1000)
        })
    }

    /// By how many seconds the device's clock is ahead of the server's; 0 if nothing was heard.
    pub fn device_ahead(&self, now: Tick, wall: u64) -> i64 {
        let server = self.seconds(now, wall);
        let apart = i64::try_from(wall.abs_diff(server)).unwrap_or(i64::MAX);
        if wall < server { -apart } else { apart }
    }
}

/// RFC 9110 §5.6.7, in the form that servers must send and the two they must not.
fn parse(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sat, 21 Nov 2026 09:20:00 GMT";
    const AT: u64 = 1_795_252_800;

    #[test]
    fn the_server_is_believed_and_its_time_goes_on() {
        let mut clock = ServerClock::default();
        assert_eq!(
            clock.seconds(Tick(5), 17),
            17,
            "nothing heard: the device's own"
        );
        clock.hear(DATE, Tick(10_000));
        assert_eq!(clock.seconds(Tick(10_999), 17), AT);
        assert_eq!(clock.seconds(Tick(71_000), 17), AT + 61);
        assert_eq!(clock.device_ahead(Tick(10_000), AT + 3600), 3600);
        assert_eq!(
            clock.device_ahead(Tick(10_000), 0),
            -i64::try_from(AT).expect("small")
        );
    }

    #[test]
    fn what_is_no_date_changes_nothing() {
        let mut clock = ServerClock::default();
        clock.hear(DATE, Tick(0));
        let before = clock;
        for date in [
            "",
            "now",
            "2026-11-21T09:20:00Z",
            "Sat, 21 Nov 1926 09:20:00 GMT",
        ] {
            clock.hear(date, Tick(99));
            assert_eq!(clock, before, "{date}");
        }
    }
}
