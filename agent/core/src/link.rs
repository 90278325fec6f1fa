//! The connection to the bus: when it counts, when to try again, and what a refusal means.
//!
//! A server greets before it has decided about a login. So a connection counts when the bus has
//! answered something over it; until then attempts become rarer, whatever the server's first words.

use crate::Tick;
use crate::backoff::{Dice, reconnect_delay};

/// The server gives up on a login after 5 s, and a decision takes well below one. What takes longer
/// than this, in milliseconds, was not decided by anybody.
const DECIDED_WITHIN: u64 = 3_000;

/// Why the bus does not let a device in, as far as a device can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// It was decided so.
    LoginRefused,
    /// Nobody decided in time.
    LoginUnanswered,
}

impl LoginRefusal {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginRefused => "LoginRefused",
            Self::LoginUnanswered => "LoginUnanswered",
        }
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::LoginRefused => {
                "the fleet does not let this device in: it may be denied, disabled or unknown, or what \
                 was decided about it cannot be read at the moment; the log of fleet-auth says why"
            }
            Self::LoginUnanswered => {
                "nobody decided about this login in time: the auth callout is away or overloaded, \
                 or takes what is presented for garbage; its log would say so"
            }
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: LoginRefusal,
    /// How often in a row.
    pub times: u32,
}

impl Refused {
    /// Whether it is worth a line: the first time, and ever more seldom while it goes on.
    pub const fn is_news(&self) -> bool {
        self.times.is_power_of_two()
    }
}

/// What is known about the connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// Since the bus answered last.
    attempts: u32,
    presented: Option<Tick>,
    refused: Option<Refused>,
}

impl Link {
    /// The delay before the next attempt, in milliseconds.
    pub fn attempt(&mut self, dice: Dice<'_>) -> u64 {
        self.attempts = self.attempts.saturating_add(1);
        reconnect_delay(usize::try_from(self.attempts).unwrap_or(usize::MAX), dice)
    }

    /// How often in a row it was tried.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Credentials are being presented.
    pub const fn presented(&mut self, now: Tick) {
        self.presented = Some(now);
    }

    /// They were not accepted. What it means is counted anew when it changes.
    pub fn refused(&mut self, now: Tick) -> Refused {
        let waited = self.presented.map_or(0, |at| now.since(at));
        let why = if waited < DECIDED_WITHIN {
            LoginRefusal::LoginRefused
        } else {
            LoginRefusal::LoginUnanswered
        };
        let before = self.refused.filter(|refused| refused.why == why);
        let times = before.map_or(0, |refused| refused.times).saturating_add(1);
        let refused = Refused { why, times };
        self.refused = Some(refused);
        refused
    }

    /// The bus has answered: the connection counts. Answers how often it was refused before.
    pub fn answered(&mut self) -> Option<Refused> {
        std::mem::take(self).refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(link: &mut Link, times: usize) -> Vec<u64> {
        (0..times).map(|_| link.attempt(&mut || 1.0)).collect()
    }

    #[test]
    fn attempts_become_rarer_until_the_bus_answers_and_not_by_its_greeting() {
        let mut link = Link::default();
        assert_eq!(delays(&mut link, 3), [600, 1_100, 2_100]);
        link.presented(Tick(0));
        link.refused(Tick(5_000));
        assert_eq!(delays(&mut link, 2), [4_100, 8_100]);
        link.answered();
        assert_eq!(delays(&mut link, 1), [600]);
    }

    #[test]
    fn a_prompt_refusal_was_decided_and_a_late_one_was_not() {
        let mut link = Link::default();
        link.presented(Tick(1_000));
        assert_eq!(link.refused(Tick(1_020)).why, LoginRefusal::LoginRefused);
        link.presented(Tick(10_000));
        assert_eq!(
            link.refused(Tick(15_000)).why,
            LoginRefusal::LoginUnanswered
        );
    }

    #[test]
    fn the_same_refusal_is_said_ever_more_seldom() {
        let mut link = Link::default();
        let said: Vec<_> = (0..20)
            .map(|_| link.refused(Tick(0)))
            .filter(Refused::is_news)
            .map(|refused| refused.times)
            .collect();
        assert_eq!(said, [1, 2, 4, 8, 16]);
        let refused = link.answered().expect("it was refused");
        assert_eq!(refused.times, 20);
        assert_eq!(link.answered(), None);
    }
}
