//! Decides who leads: the rules of client-go's leader election, with time as an argument.
//!
//! Clocks of replicas are never compared. A replica notes, on its own clock, when it last saw the
//! Lease change; if that is longer ago than the Lease lasts, its holder is gone.
//!
//! One rule is our own (docs/adr/0041): a holder that cannot do the work says so on the Lease, and gives it up
//! to the first that says it can. While nobody can, nothing changes hands.

use fleet_contracts::UnixMillis;

/// How long a Lease lasts, and how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A Lease that was not renewed for this many milliseconds may be taken.
    pub duration: u64,
    /// The leader gives up by itself when it could not renew for this many milliseconds; less than
    /// `duration`, so that it stops before another begins.
    pub renew_deadline: u64,
    /// Milliseconds between two looks at the Lease.
    pub retry: u64,
}

impl LeaseTerms {
    /// For this many milliseconds, and the rest in client-go's proportions of 15, 10 and 2 seconds.
    pub const fn lasting(duration: u64) -> Self {
        Self {
            duration,
            renew_deadline: duration * 2 / 3,
            retry: duration * 2 / 15,
        }
    }
}

impl Default for LeaseTerms {
    /// client-go's: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self::lasting(15_000)
    }
}

/// A Lease as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// Changes with every write of it.
    pub version: String,
    /// Its holder says that it cannot do the work.
    pub unable: bool,
    /// Who can, and asks for it; empty when nobody does.
    pub asked_by: String,
}

/// What to do after a look at the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write it with this replica as holder; if somebody was faster, look again.
    Take,
    /// Write it again: this replica holds it.
    Renew,
    /// Another replica holds it.
    Wait,
    /// The same, and it cannot do the work: write the Lease with this replica as the one that asks for it.
    Ask,
    /// This replica held it and cannot do the work, and another asks for it: it leads no longer. Write it with
    /// no holder.
    Yield,
}

/// One replica's view.
#[derive(Debug)]
pub struct Election {
    identity: String,
    terms: LeaseTerms,
    seen: Option<(Record, UnixMillis)>,
    /// When this replica last wrote the Lease, if it is the leader.
    renewed: Option<UnixMillis>,
    /// Since when this replica cannot do the work.
    unable_since: Option<UnixMillis>,
}

impl Election {
    /// A replica that does not lead.
    pub const fn new(identity: String, terms: LeaseTerms) -> Self {
        Self {
            identity,
            terms,
            seen: None,
            renewed: None,
            unable_since: None,
        }
    }

    /// What to do, given the Lease as it is (`None`: there is none), and whether this replica could do
    /// the work of a leader.
    pub fn look(&mut self, record: Option<Record>, able: bool, now: UnixMillis) -> Step {
        self.unable_since = if able {
            None
        } else {
            self.unable_since.or(Some(now))
        };
        let Some(record) = record else {
            return Step::Take;
        };
        let changed = self.seen.as_ref().is_none_or(|(old, _)| *old != record);
        if changed {
            self.seen = Some((record.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, at)| *at);
        let others = !record.asked_by.is_empty() && record.asked_by != self.identity;
        if record.holder == self.identity {
            if others && self.is_unable(now) {
                self.resign();
                return Step::Yield;
            }
            return Step::Renew;
        }
        self.renewed = None;
        // What was given up for somebody is left to it for a while.
        let free = record.holder.is_empty() && !others;
        if free || now.millis_since(since) > self.terms.duration {
            Step::Take
        } else if able && record.unable && record.asked_by.is_empty() {
            Step::Ask
        } else {
            Step::Wait
        }
    }

    /// What to write for a step that writes, over what was read; its version is the one that was read.
    pub fn written(&self, step: Step, read: Option<&Record>, now: UnixMillis) -> Record {
        let read = read.cloned().unwrap_or_default();
        let ours = self.identity.clone();
        match step {
            Step::Wait => read,
            Step::Ask => Record {
                asked_by: ours,
                ..read
            },
            Step::Yield => Record {
                holder: String::new(),
                ..read
            },
            Step::Take | Step::Renew => {
                let unable = self.is_unable(now);
                // Who asked another holder may be gone as well.
                let asked = unable && read.holder == ours;
                Record {
                    holder: ours,
                    version: read.version,
                    unable,
                    asked_by: if asked { read.asked_by } else { String::new() },
                }
            }
        }
    }

    /// Whether this replica could not do the work for long enough to say so: as long as a Lease lasts, since a
    /// change of leaders costs more than a watch that is soon back.
    pub fn is_unable(&self, now: UnixMillis) -> bool {
        let since = self.unable_since;
        since.is_some_and(|since| now.millis_since(since) > self.terms.duration)
    }

    /// The Lease was written, the request having left at `sent`: another replica may have seen it
    /// as early as that.
    pub const fn wrote(&mut self, sent: UnixMillis) {
        self.renewed = Some(sent);
    }

    /// Whether this replica leads. It stops by itself when it could not renew in time.
    pub fn leads(&self, now: UnixMillis) -> bool {
        self.leads_until(now).is_some()
    }

    /// Until when this replica leads, if it cannot renew again; `None` if it does not lead now.
    pub fn leads_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        let end = UnixMillis(self.renewed?.0.saturating_add(self.terms.renew_deadline));
        (now < end).then_some(end)
    }

    /// Gives up by itself.
    pub const fn resign(&mut self) {
        self.renewed = None;
    }

    /// The terms.
    pub const fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Who this replica is.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str, version: u32) -> Record {
        Record {
            holder: holder.into(),
            version: version.to_string(),
            ..Record::default()
        }
    }

    fn replica() -> Election {
        replica_called("b")
    }

    fn replica_called(name: &str) -> Election {
        Election::new(name.into(), LeaseTerms::default())
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    #[test]
    fn a_free_lease_is_taken_and_renewed() {
        let mut b = replica();
        assert_eq!(b.look(None, true, at(0)), Step::Take);
        assert!(!b.leads(at(0)));
        b.wrote(at(0));
        assert!(b.leads(at(1)));
        assert_eq!(b.look(Some(held("b", 1)), true, at(2)), Step::Renew);
    }

    #[test]
    fn a_holder_that_renews_is_left_alone_and_one_that_stops_is_followed() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("a", 1)), true, at(0)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), true, at(14)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), true, at(29)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), true, at(30)), Step::Take);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("a", 1)), true, at(0)), Step::Wait);
        assert_eq!(b.look(Some(held("", 2)), true, at(1)), Step::Take);
    }

    #[test]
    fn a_leader_that_cannot_renew_stops_before_another_begins() {
        let mut b = replica();
        b.wrote(at(0));
        assert!(b.leads(at(9)));
        assert!(!b.leads(at(10)));
        assert_eq!(b.leads_until(at(9)), Some(at(10)));
        assert_eq!(b.leads_until(at(10)), None);
    }

    #[test]
    fn a_leader_that_finds_another_holder_stops() {
        let mut b = replica();
        b.wrote(at(0));
        assert_eq!(b.look(Some(held("a", 5)), true, at(1)), Step::Wait);
        assert!(!b.leads(at(1)));
    }

    #[test]
    fn a_replica_that_restarts_under_its_old_name_goes_on_leading() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("b", 7)), true, at(0)), Step::Renew);
        assert!(!b.leads(at(0)));
        b.wrote(at(0));
        assert!(b.leads(at(0)));
    }

    #[test]
    fn who_cannot_do_the_work_keeps_the_lease_until_somebody_asks_for_it() {
        let (mut a, mut b) = (replica_called("a"), replica());
        let mut lease = held("a", 1);
        // What either does about the Lease as it is, and the Lease after it.
        let mut look = |replica: &mut Election, able, seconds, expected| {
            let (read, now) = (Some(lease.clone()), at(seconds));
            let step = replica.look(read.clone(), able, now);
            assert_eq!(step, expected, "{lease:?} after {seconds} s");
            lease = replica.written(step, read.as_ref(), now);
            lease.version = seconds.to_string();
        };
        look(&mut a, false, 0, Step::Renew);
        look(&mut a, false, 15, Step::Renew);
        look(&mut b, true, 15, Step::Wait);
        look(&mut a, false, 16, Step::Renew);
        look(&mut b, false, 17, Step::Wait);
        look(&mut b, true, 18, Step::Ask);
        look(&mut b, true, 19, Step::Wait);
        look(&mut a, false, 20, Step::Yield);
        look(&mut a, false, 21, Step::Wait);
        look(&mut b, true, 22, Step::Take);
        look(&mut a, false, 23, Step::Wait);
        look(&mut b, true, 24, Step::Renew);
        assert_eq!(lease, held("b", 24), "nothing of it is left");
    }

    #[test]
    fn what_was_given_up_for_somebody_who_is_gone_is_taken_after_a_while() {
        let mut a = replica_called("a");
        let mut lease = held("", 1);
        lease.unable = true;
        lease.asked_by = "b".into();
        assert_eq!(a.look(Some(lease.clone()), false, at(0)), Step::Wait);
        assert_eq!(a.look(Some(lease.clone()), false, at(16)), Step::Take);
        let taken = a.written(Step::Take, Some(&lease), at(16));
        assert_eq!(taken.asked_by, "", "or it would be given up again");
        assert!(taken.unable);
    }

    #[test]
    fn who_can_do_the_work_again_keeps_the_lease() {
        let mut a = replica_called("a");
        let mut lease = held("a", 1);
        lease.unable = true;
        lease.asked_by = "b".into();
        assert_eq!(a.look(Some(lease.clone()), false, at(0)), Step::Renew);
        assert_eq!(a.look(Some(lease.clone()), true, at(14)), Step::Renew);
        assert_eq!(a.look(Some(lease), false, at(16)), Step::Renew);
        assert!(!a.is_unable(at(16)));
    }
}
