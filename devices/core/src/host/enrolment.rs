use std::collections::BTreeMap;
use std::time::Duration;

use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::EnrolmentToken;
use serde::Deserialize;

use super::command::{Command, Output};
use super::device::{AGENT_PATH, AGENT_USER};
use super::ensured::{Change, EnsureError, Ensured};
use super::file::{Content, File};

/// Where the certificates of the enrolment service are kept.
const CA_PATH: &str = "/etc/fleet-agent/enrolment-ca.crt";
/// What an enrolled device has.
const IDENTITY: &str = "/var/lib/fleet-agent/identity/enrolment.json";
/// With which `timeout` says that it ended a command.
const TIMED_OUT: u32 = 124;
/// What the agent says once it was heard.
const WAITING: &str = "waiting for approval of enrolment ";

/// How a device asks to become part of a fleet.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The enrolment service.
    pub url: String,
    /// What allows the device to ask; without it only one that has asked before can go on.
    pub token: Option<EnrolmentToken>,
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<Content>,
    /// Who to be.
    pub device_id: Option<DeviceId>,
    /// Labels to carry.
    pub labels: BTreeMap<String, String>,
    /// How long somebody may take to approve it.
    pub within: Duration,
}

/// Why a host is not enrolled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// The service said no.
    #[error("the enrolment was {said}")]
    Refused {
        /// Its word, with a reason and what to do.
        said: String,
    },
    /// Whoever decides said no.
    #[error("the enrolment was {said}; `fleet approve` takes that back")]
    Denied {
        /// Their word.
        said: String,
    },
    /// Nobody decided.
    #[error(
        "enrolment {id} was not approved within {seconds} s; `fleet approve {id}`, then run again: it goes on where it was"
    )]
    NotApproved {
        /// The enrolment.
        id: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The service did not answer the host.
    #[error(
        "the host got no answer from {url} within {seconds} s; is that its address as seen from there, and does \
         the service run? {said}"
    )]
    Unreachable {
        /// The service.
        url: String,
        /// How long was tried.
        seconds: u64,
        /// What the agent said last.
        said: String,
    },
    /// It is part of a fleet already, as another device.
    #[error(
        "it is enrolled as {is}, not as {wanted}; to give it another identity, remove it first (fleet-devices remove)"
    )]
    Other {
        /// Who it is.
        is: DeviceId,
        /// Who it should be.
        wanted: DeviceId,
    },
    /// What it has been enrolled with cannot be read.
    #[error("{IDENTITY} is not what an enrolment writes: {0}")]
    Malformed(String),
}

impl EnrolmentError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "EnrolmentRefused",
            Self::Denied { .. } => "EnrolmentDenied",
            Self::NotApproved { .. } => "NotApproved",
            Self::Unreachable { .. } => "EnrolmentUnreachable",
            Self::Other { .. } => "EnrolledAsOther",
            Self::Malformed(_) => "IdentityMalformed",
        }
    }
}

/// What of an enrolment's outcome is of interest here.
#[derive(Deserialize)]
struct Kept {
    approval: KeptApproval,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptApproval {
    device_id: DeviceId,
}

impl Enrolment {
    /// The file that has to be there before.
    pub fn file(&self) -> Option<File> {
        let ca = self.ca.clone()?;
        Some(File::new(CA_PATH, ca))
    }

    /// How to look who a host is.
    pub fn look() -> Command {
        let look = Command::look("cat", [IDENTITY]);
        look.as_root().accepting(&[0, 1])
    }

    /// Who it is, by the answer to that look; `None` where it is nobody.
    ///
    /// # Errors
    /// When the file is none that an enrolment writes.
    pub fn device(answer: &Output) -> Result<Option<DeviceId>, EnrolmentError> {
        if answer.status != 0 {
            return Ok(None);
        }
        let kept = serde_json::from_slice(&answer.output);
        let kept: Kept = kept.map_err(|error| EnrolmentError::Malformed(error.to_string()))?;
        Ok(Some(kept.approval.device_id))
    }

    /// The agent's own: it makes the key, asks, and waits for the approval. It can be run again at any time, and
    /// is ended on the host itself, which a lost connection does not keep from it.
    fn ask(&self) -> Command {
        let seconds = self.within.as_secs().max(1).to_string();
        let ca = self.ca.as_ref().map(|_| ["--ca-file", CA_PATH]);
        let id = self.device_id.as_ref();
        let id = id.map(|id| ["--device-id", id.as_str()]);
        let token = self.token.as_ref().map(|_| ["--token-file", "-"]);
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let words = [&seconds, "runuser", "-u", AGENT_USER, "--", AGENT_PATH];
        let words = words.into_iter().chain(["enrol", "--url", &self.url]);
        let options = [token, ca, id].into_iter().flatten().flatten();
        let words = words.chain(options).map(str::to_owned);
        let words = words.chain(labels.flat_map(|label| ["--label".to_owned(), label]));
        let command = Command::change("timeout", words);
        match &self.token {
            Some(token) => command.reading(token.expose()),
            None => command,
        }
    }
}

impl Ensured for Enrolment {
    fn name(&self) -> String {
        format!("enrolment at {}", self.url)
    }

    fn looks(&self) -> Vec<Command> {
        vec![Self::look()]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let answer = answers.first().cloned().unwrap_or_default();
        match (Self::device(&answer)?, &self.device_id) {
            (Some(is), Some(wanted)) if is != *wanted => Err(EnrolmentError::Other {
                is,
                wanted: wanted.clone(),
            }
            .into()),
            (Some(_), _) => Ok(None),
            (None, _) => Ok(Some(Change {
                difference: vec![format!("+ {AGENT_USER} has an identity")],
                commands: vec![self.ask()],
            })),
        }
    }

    fn failed(&self, _: &Command, output: &Output) -> Option<EnsureError> {
        let (said, seconds) = (output.text(), self.within.as_secs());
        let complaint = String::from_utf8_lossy(&output.errors);
        let last = complaint.lines().last().unwrap_or_default().trim();
        let last = last.strip_prefix("fleet-agent: ").unwrap_or(last);
        let asked = said.lines().find_map(|line| line.strip_prefix(WAITING));
        let said = last.to_owned();
        Some(EnsureError::from(match (output.status, asked) {
            (TIMED_OUT, Some(id)) => EnrolmentError::NotApproved {
                id: id.trim().to_owned(),
                seconds,
            },
            (TIMED_OUT, None) => EnrolmentError::Unreachable {
                url: self.url.clone(),
                seconds,
                said,
            },
            _ if last.starts_with("refused (") => EnrolmentError::Refused { said },
            _ if last.starts_with("denied (") => EnrolmentError::Denied { said },
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn enrolment() -> Enrolment {
        let token = "fleet-enrol-0123456789abcdefghijklmn";
        Enrolment {
            url: "https://enrol.example:8443".to_owned(),
            token: Some(token.parse().expect("a token")),
            ca: Some(Content::new("PEM")),
            device_id: Some("robot-7".parse().expect("an id")),
            labels: BTreeMap::from([("site".to_owned(), "lyon".to_owned())]),
            within: Duration::from_secs(90),
        }
    }

    fn output(status: u32, output: &str, errors: &str) -> Output {
        Output {
            status,
            output: output.into(),
            errors: errors.into(),
        }
    }

    #[test]
    fn the_agent_asks_and_the_token_is_on_no_command_line() {
        let change = enrolment().change(&[output(1, "", "")]).expect("read");
        let command = &change.expect("a change").commands[0];
        assert_eq!(
            command.to_string(),
            "timeout 90 runuser -u fleet-agent -- /usr/local/bin/fleet-agent enrol --url https://enrol.example:8443 \
             --token-file - --ca-file /etc/fleet-agent/enrolment-ca.crt --device-id robot-7 --label 'site=lyon' < 36 bytes"
        );
        assert!(!format!("{:?}", enrolment()).contains("0123456789"));
    }

    #[test]
    fn who_is_enrolled_stays_who_it_is() {
        let kept = |id: &str| {
            output(
                0,
                &format!("{{\"approval\":{{\"deviceId\":\"{id}\"}}}}"),
                "",
            )
        };
        assert_eq!(enrolment().change(&[kept("robot-7")]), Ok(None));
        let error = enrolment().change(&[kept("robot-8")]).expect_err("another");
        assert_eq!(error.reason(), "EnrolledAsOther");
        let broken = output(0, "{", "");
        let error = enrolment().change(&[broken]).expect_err("malformed");
        assert_eq!(error.reason(), "IdentityMalformed");
    }

    #[test]
    fn what_came_of_asking_has_a_name() {
        let reason = |status, said: &str, complaint: &str| {
            let output = output(status, said, complaint);
            let error = enrolment().failed(&Command::look("x", [""; 0]), &output);
            error.map(|error| (error.reason(), error.to_string()))
        };
        let refused =
            "fleet-agent: refused (TokenExpired): the token's time is over; get a new one\n";
        let (name, text) = reason(1, "", refused).expect("named");
        assert_eq!(name, "EnrolmentRefused");
        assert!(text.ends_with("get a new one"), "{text}");
        let denied = "fleet-agent: denied (Rejected) (not ours)\n";
        assert_eq!(reason(1, "", denied).expect("named").0, "EnrolmentDenied");
        let waits = "waiting for approval of enrolment 34aec7\n  fleet approve 34aec7\n";
        let (name, text) = reason(124, waits, "").expect("named");
        assert_eq!(name, "NotApproved");
        assert!(text.contains("`fleet approve 34aec7`"), "{text}");
        let silent = "cannot connect; trying again in 2 s\n";
        let (name, text) = reason(124, "made this device's key", silent).expect("named");
        assert_eq!(name, "EnrolmentUnreachable");
        assert!(text.contains("cannot connect"), "{text}");
        assert!(reason(1, "", "fleet-agent: cannot write").is_none());
    }
}
