//! How the lead is taken away.

use std::time::{Duration, Instant};

use fleet_contracts::kv::Bucket;
use fleet_testbed::Operator;

use crate::Error;
use crate::platform::{Platform, leads, until};
use crate::record::Record;
use crate::report::Kill;

/// For another operator to lead, or for a stream to have a leader at all.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks whether an operator leads.
const LOOK: Duration = Duration::from_millis(20);

/// A way of taking the lead away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// The operator that leads is killed (SIGKILL).
    Killed,
    /// It is stopped (SIGTERM).
    Stopped,
    /// The server of the bus that leads `desired-state` is killed.
    Server,
}

/// What has to be brought back.
pub(super) enum Struck<'a> {
    Operator(&'a Operator),
    Server(usize),
}

impl Blow {
    /// Those that were asked for, in the order in which they fall.
    pub(super) fn of(kill: &[Kill]) -> Vec<Self> {
        let ways = kill.iter().flat_map(|kill| match kill {
            Kill::Operator => &[Self::Killed, Self::Stopped][..],
            Kill::Nats => &[Self::Server][..],
        });
        ways.copied().collect()
    }

    /// In names of times.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Server => "bus-killed",
        }
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Killed => "the operator that leads is killed",
            Self::Stopped => "the operator that leads is stopped",
            Self::Server => "the server of the bus that leads desired-state is killed",
        }
    }

    /// Strikes, and waits until another operator leads where one was struck; notes how long that took.
    pub(super) async fn strike<'a>(
        self,
        platform: &'a Platform,
        record: &Record,
    ) -> Result<Struck<'a>, Error> {
        if self == Self::Server {
            return strike_server(platform).await;
        }
        let nobody = || Error::Timeout {
            what: "an operator leads".to_owned(),
            limit: Duration::ZERO,
        };
        let leader = platform.leader().await.ok_or_else(nobody)?;
        let mut others = platform.operators();
        let other = others.find(|operator| !std::ptr::eq(*operator, leader));
        let other = other.ok_or_else(nobody)?;
        let struck = async {
            match self {
                Self::Killed => leader.kill().await,
                _ => leader.stop().await,
            }
        };
        let (struck, took) = tokio::join!(struck, leading(other, Instant::now()));
        struck?;
        record.time(&format!("leaderless-{}", self.name()), took?);
        Ok(Struck::Operator(leader))
    }
}

async fn strike_server(platform: &Platform) -> Result<Struck<'_>, Error> {
    let nats = platform.bed.nats()?;
    let known = || async { platform.bus_leader(Bucket::DesiredState).await.is_some() };
    until(LIMIT, "somebody leads desired-state", known).await?;
    let number = platform.bus_leader(Bucket::DesiredState).await.unwrap_or(0);
    nats.kill_server(number).await?;
    Ok(Struck::Server(number))
}

/// How long until an operator says that it leads.
async fn leading(operator: &Operator, at: Instant) -> Result<Duration, Error> {
    while !leads(operator).await {
        if at.elapsed() > LIMIT {
            return Err(Error::Timeout {
                what: "the other operator leads".to_owned(),
                limit: LIMIT,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(at.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_struck_in_both_ways_and_a_server_in_one() {
        let all = Blow::of(&[Kill::Operator, Kill::Nats]);
        assert_eq!(all, [Blow::Killed, Blow::Stopped, Blow::Server]);
    }
}
