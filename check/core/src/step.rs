//! What happens, one after the other, and what a person can do when it does not.

use std::fmt;

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// What a killed run left is removed.
    Sweep,
    /// A token is made.
    Token,
    /// The device asks to join.
    Ask,
    /// Somebody approves, and the device gets its identity.
    Approve,
    /// The device logs in to the bus, and the cluster has its Device.
    LogIn,
    /// A container comes.
    Deploy,
    /// It is replaced.
    Change,
    /// It goes.
    Delete,
    /// So does everything else.
    Leave,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Sweep,
        Self::Token,
        Self::Ask,
        Self::Approve,
        Self::LogIn,
        Self::Deploy,
        Self::Change,
        Self::Delete,
        Self::Leave,
    ];

    /// What happens, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sweep => "nothing of an earlier check is left",
            Self::Token => "an enrolment token, good once",
            Self::Ask => "fleet-agent enrol: the device asks to join",
            Self::Approve => "approved: it gets its identity",
            Self::LogIn => "fleet-agent: it logs in to the bus, and its Device is reachable",
            Self::Deploy => "a Deployment for it: its container runs, and the status says so",
            Self::Change => "the Deployment changes: the container is replaced",
            Self::Delete => "the Deployment is deleted: the container is gone",
            Self::Leave => "the device is shut out, and all that was made is removed",
        }
    }

    /// Where to look when it does not happen.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Sweep | Self::Leave => {
                "`fleet doctor` looks at the parts that remove it; what is named here can be removed by hand"
            }
            Self::Token => {
                "may whoever runs the check create Secrets in the namespace of enrolment tokens, and is it there?"
            }
            Self::Ask => {
                "is the enrolment service reachable from here at the first of auth.enrolmentApi.publicUrls (or at \
                 check.url), with a certificate for that host? Its log says whom it refused"
            }
            Self::Approve => {
                "the enrolment service makes a user at the identity provider and a policy in OpenBao: its log, and \
                 the enrolment's conditions, say what it waits for"
            }
            Self::LogIn => {
                "the bus asks the auth callout about each login: is auth.devices.natsUrl reachable from here (or \
                 set check.natsUrl), and does the log of the callout name a reason? The operator makes the Device \
                 when it hears of the login"
            }
            Self::Deploy | Self::Change | Self::Delete => {
                "the operator writes to the bus what the device shall run, and the status from what it reports: see \
                 its log, and the conditions of the Deployment"
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
