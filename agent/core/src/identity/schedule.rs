//! When to ask for a token, and which one may be presented.

use super::answer::{AccessToken, FailureReason, Minted};
use crate::Tick;
use crate::backoff::{Backoff, Dice, jitter};

/// A token is not presented in the last part of its life, in milliseconds: it would expire between
/// being sent and being judged. Of short lives it is `MARGIN_PART` percent, which is less than what
/// is left when the next one is asked for: a token stays presentable until then.
const MARGIN: u64 = 5_000;
const MARGIN_PART: u64 = 10;
/// The next token is asked for between these parts of a token's life, in percent: late enough to
/// ask seldom, early enough for many attempts while the old one still holds.
const AHEAD: (u64, u64) = (60, 80);
/// While the provider is away or in trouble.
const TROUBLE: Backoff = Backoff {
    base: 1_000,
    cap: 60_000,
};
/// While somebody has to do something about it; still often enough that a device which is let in
/// again is back within minutes.
const REFUSED: Backoff = Backoff {
    base: 4_000,
    cap: 300_000,
};
/// So often in a row a token is presented without a connection coming of it before a fresh one is
/// asked for: its roles may be older than what was granted since.
const DOUBTS: u32 = 3;
/// A token younger than this, in milliseconds, is not doubted: while the bus is away, the provider
/// must not be asked with every attempt.
const FRESH: u64 = 120_000;

#[derive(Debug, Clone)]
struct Held {
    token: AccessToken,
    since: Tick,
    until: Tick,
}

/// The device's token and the next attempt at one.
#[derive(Debug, Clone)]
pub struct Schedule {
    held: Option<Held>,
    due: Tick,
    failures: u32,
    unanswered: u32,
}

impl Schedule {
    /// Without a token; the first is due at once.
    pub const fn new(now: Tick) -> Self {
        Self {
            held: None,
            due: now,
            failures: 0,
            unanswered: 0,
        }
    }

    /// When to ask for the next token.
    pub const fn due(&self) -> Tick {
        self.due
    }

    /// The token to present, if there is one that holds a moment longer.
    pub fn usable(&self, now: Tick) -> Option<&AccessToken> {
        let held = self.held.as_ref().filter(|h| now < h.until)?;
        Some(&held.token)
    }

    /// How many attempts in a row have failed.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// A token asked for at `asked` has come. Its life is counted from the asking, so that a slow
    /// answer never makes it seem longer than it is.
    pub fn minted(&mut self, minted: Minted, asked: Tick, dice: Dice<'_>) {
        let life = minted.life;
        let (from, to) = AHEAD;
        let wait = life / 100 * from + jitter(life / 100 * (to - from), dice);
        self.due = asked + wait.max(1_000);
        self.failures = 0;
        self.unanswered = 0;
        self.held = Some(Held {
            token: minted.token,
            since: asked,
            until: asked + life.saturating_sub(MARGIN.min(life / 100 * MARGIN_PART)),
        });
    }

    /// An attempt has failed at `now`; what is held stays.
    pub fn failed(&mut self, reason: FailureReason, now: Tick, dice: Dice<'_>) {
        self.failures = self.failures.saturating_add(1);
        let backoff = if reason.is_passing() {
            TROUBLE
        } else {
            REFUSED
        };
        self.due = now + backoff.delay(self.failures, dice);
    }

    /// The token is presented to the bus. Returns whether a fresh one is now due earlier.
    pub fn presented(&mut self, now: Tick, dice: Dice<'_>) -> bool {
        self.unanswered = self.unanswered.saturating_add(1);
        let old = self
            .held
            .as_ref()
            .is_some_and(|h| now.since(h.since) >= FRESH);
        // While attempts fail, their back-off rules.
        if self.unanswered <= DOUBTS || !old || self.failures > 0 {
            return false;
        }
        let soon = now + jitter(FRESH / 4, dice);
        let earlier = soon < self.due;
        self.due = self.due.min(soon);
        earlier
    }

    /// The bus has let the device in.
    pub const fn accepted(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::answer;
    use proptest::prelude::*;

    fn minted(seconds: u64) -> Minted {
        let body =
            format!(r#"{{"access_token":"a.b.c","token_type":"Bearer","expires_in":{seconds}}}"#);
        answer::token(200, body.as_bytes()).expect("a token")
    }

    #[test]
    fn the_next_token_is_asked_for_well_before_the_last_one_ends() {
        let mut schedule = Schedule::new(Tick(0));
        assert_eq!((schedule.due(), schedule.usable(Tick(0))), (Tick(0), None));
        schedule.minted(minted(600), Tick(1_000), &mut || 0.0);
        assert_eq!(schedule.due(), Tick(361_000));
        schedule.minted(minted(600), Tick(1_000), &mut || 1.0);
        assert_eq!(schedule.due(), Tick(481_000));
        assert!(schedule.usable(Tick(595_999)).is_some());
        assert_eq!(schedule.usable(Tick(596_000)), None);
    }

    proptest! {
        #[test]
        fn a_token_is_presentable_until_after_the_next_is_asked_for(
            seconds in 5_u64..100_000,
            dice in 0.0..=1.0,
        ) {
            let mut schedule = Schedule::new(Tick(0));
            schedule.minted(minted(seconds), Tick(0), &mut || dice);
            prop_assert!(schedule.usable(schedule.due() + 400).is_some());
        }
    }

    #[test]
    fn an_absent_provider_is_asked_ever_more_seldom_and_the_token_stays() {
        let mut schedule = Schedule::new(Tick(0));
        schedule.minted(minted(600), Tick(0), &mut || 0.0);
        let mut delays = vec![];
        for _ in 0..8 {
            let now = schedule.due();
            schedule.failed(FailureReason::Unreachable, now, &mut || 1.0);
            delays.push(schedule.due().since(now) / 1000);
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(schedule.usable(Tick(500_000)).is_some());
        schedule.failed(FailureReason::Refused, Tick(0), &mut || 1.0);
        assert_eq!(schedule.due(), Tick(300_000));
    }

    #[test]
    fn a_token_that_opens_nothing_is_replaced_but_not_at_every_attempt() {
        let mut schedule = Schedule::new(Tick(0));
        schedule.minted(minted(43_200), Tick(0), &mut || 0.0);
        for _ in 0..10 {
            assert!(
                !schedule.presented(Tick(60_000), &mut || 0.0),
                "still fresh"
            );
        }
        schedule.accepted();
        for _ in 0..3 {
            assert!(
                !schedule.presented(Tick(200_000), &mut || 0.0),
                "may be chance"
            );
        }
        assert!(schedule.presented(Tick(200_000), &mut || 0.5));
        assert_eq!(schedule.due(), Tick(215_000));
        schedule.failed(FailureReason::Unreachable, Tick(215_000), &mut || 1.0);
        assert!(
            !schedule.presented(Tick(215_100), &mut || 0.0),
            "the back-off rules"
        );
    }

    #[derive(Debug, Clone)]
    enum Happening {
        Minted(u64),
        Failed(bool),
        Presented,
        Accepted,
    }

    fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
        let one = prop_oneof![
            (1_u64..100_000).prop_map(Happening::Minted),
            any::<bool>().prop_map(Happening::Failed),
            Just(Happening::Presented),
            Just(Happening::Accepted),
        ];
        proptest::collection::vec((0_u64..400_000, one), 1..60)
    }

    proptest! {
        /// Whatever happens: nothing is presented after its life, a held token is never lost early,
        /// and the next attempt is neither at once nor never.
        #[test]
        fn laws(history in happenings(), random in 0.0..1.0_f64) {
            let mut schedule = Schedule::new(Tick(0));
            let mut now = Tick(0);
            let mut held: Option<(Tick, u64)> = None;
            for (passed, what) in history {
                now = now + passed;
                match what {
                    Happening::Minted(seconds) => {
                        schedule.minted(minted(seconds), now, &mut || random);
                        let life = seconds.min(86_400) * 1000;
                        held = Some((now, life));
                        prop_assert!(schedule.due() >= now + 500);
                        prop_assert!(schedule.due().since(now) <= (life * 8 / 10).max(1_000));
                        prop_assert!(schedule.usable(now).is_some());
                    }
                    Happening::Failed(passing) => {
                        let reason = if passing { FailureReason::Unreachable } else { FailureReason::Refused };
                        schedule.failed(reason, now, &mut || random);
                        let delay = schedule.due().since(now);
                        prop_assert!((500..=300_000).contains(&delay), "{delay}");
                    }
                    Happening::Presented => {
                        let before = schedule.due();
                        let earlier = schedule.presented(now, &mut || random);
                        prop_assert_eq!(earlier, schedule.due() < before);
                    }
                    Happening::Accepted => schedule.accepted(),
                }
                if let Some((since, life)) = held {
                    let age = now.since(since);
                    prop_assert!(schedule.usable(now).is_none() || age < life);
                    prop_assert!(schedule.usable(now).is_some() || age + MARGIN >= life);
                }
            }
        }
    }
}
