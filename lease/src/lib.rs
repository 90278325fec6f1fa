//! Decides who leads: the rules of client-go's leader election, with time as an argument.
//!
//! Clocks of replicas are never compared. A replica notes, on its own clock, when it last saw the
//! Lease change; if that is longer ago than the Lease lasts, its holder is gone.

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// Changes with every write of it.
    pub version: String,
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
}

/// One replica's view.
#[derive(Debug)]
pub struct Election {
    identity: String,
    terms: LeaseTerms,
    seen: Option<(Record, UnixMillis)>,
    /// When this replica last wrote the Lease, if it is the leader.
    renewed: Option<UnixMillis>,
}

impl Election {
    /// A replica that does not lead.
    pub const fn new(identity: String, terms: LeaseTerms) -> Self {
        Self {
            identity,
            terms,
            seen: None,
            renewed: None,
        }
    }

    /// What to do, given the Lease as it is (`None`: there is none).
    pub fn look(&mut self, record: Option<Record>, now: UnixMillis) -> Step {
        let Some(record) = record else {
            return Step::Take;
        };
        let changed = self.seen.as_ref().is_none_or(|(old, _)| *old != record);
        if changed {
            self.seen = Some((record.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, at)| *at);
        if record.holder == self.identity {
            return Step::Renew;
        }
        self.renewed = None;
        if record.holder.is_empty() || now.millis_since(since) > self.terms.duration {
            Step::Take
        } else {
            Step::Wait
        }
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
        }
    }

    fn replica() -> Election {
        Election::new("b".into(), LeaseTerms::default())
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    #[test]
    fn a_free_lease_is_taken_and_renewed() {
        let mut b = replica();
        assert_eq!(b.look(None, at(0)), Step::Take);
        assert!(!b.leads(at(0)));
        b.wrote(at(0));
        assert!(b.leads(at(1)));
        assert_eq!(b.look(Some(held("b", 1)), at(2)), Step::Renew);
    }

    #[test]
    fn a_holder_that_renews_is_left_alone_and_one_that_stops_is_followed() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("a", 1)), at(0)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), at(14)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), at(29)), Step::Wait);
        assert_eq!(b.look(Some(held("a", 2)), at(30)), Step::Take);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("a", 1)), at(0)), Step::Wait);
        assert_eq!(b.look(Some(held("", 2)), at(1)), Step::Take);
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
        assert_eq!(b.look(Some(held("a", 5)), at(1)), Step::Wait);
        assert!(!b.leads(at(1)));
    }

    #[test]
    fn a_replica_that_restarts_under_its_old_name_goes_on_leading() {
        let mut b = replica();
        assert_eq!(b.look(Some(held("b", 7)), at(0)), Step::Renew);
        assert!(!b.leads(at(0)));
        b.wrote(at(0));
        assert!(b.leads(at(0)));
    }
}
