//! What to do after an answer of the enrolment service.

use fleet_contracts::enrolment::{
    Approval, DenialReason, Enrolment, EnrolmentId, EnrolmentRefusal, EnrolmentState, NextKey,
    NextKeyState, Problem,
};

use super::answer::shown;

/// Between two looks at a pending enrolment, in seconds, whatever the service says.
const POLL: (u32, u32) = (1, 300);

/// The longest `Retry-After` that is followed, in seconds.
const LONGEST_WAIT: u64 = 600;

/// What the service said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nobody has decided: look again after so many milliseconds.
    Pending(u64),
    /// Somebody has approved, and it is not done yet: what it waits for, and when to ask again, in
    /// milliseconds.
    Approving(String, u64),
    /// The device is part of the fleet.
    Approved(Box<Approval>),
    /// The identity provider takes the next key, under this name.
    Added(String),
    /// It is not, and asking again does not change that.
    Denied(DenialReason, String),
    /// The call was refused, and will be.
    Refused(EnrolmentRefusal, String),
    /// The proof's time was wrong: sign again, by the service's clock.
    ClockSkew(String),
    /// The service is in trouble: try again.
    Trouble {
        /// What it said, for people.
        message: String,
        /// Not before so many milliseconds.
        wait: u64,
    },
}

/// Takes an answer about enrolment `id` apart; `retry_after` is in seconds.
pub fn hear(id: &EnrolmentId, status: u16, retry_after: Option<u64>, body: &[u8]) -> Heard {
    if !matches!(status, 200 | 202) {
        return problem(status, retry_after, body);
    }
    match serde_json::from_slice::<Enrolment>(body) {
        Ok(enrolment) if enrolment.enrolment_id == *id => state(enrolment.state),
        Ok(_) => malformed("it is about another device's enrolment"),
        Err(error) => malformed(&error.to_string()),
    }
}

/// Takes an answer about the next key of enrolment `id` apart; `retry_after` is in seconds.
pub fn hear_next_key(
    id: &EnrolmentId,
    status: u16,
    retry_after: Option<u64>,
    body: &[u8],
) -> Heard {
    if !matches!(status, 200 | 202) {
        return problem(status, retry_after, body);
    }
    match serde_json::from_slice::<NextKey>(body) {
        Ok(next) if next.enrolment_id == *id => match next.state {
            NextKeyState::Pending { poll_after_seconds } => {
                Heard::Pending(pause(poll_after_seconds))
            }
            NextKeyState::Added { key_id, .. } => Heard::Added(key_id),
            NextKeyState::Unknown => malformed("a state that this version does not know"),
        },
        Ok(_) => malformed("it is about another device's enrolment"),
        Err(error) => malformed(&error.to_string()),
    }
}

fn problem(status: u16, retry_after: Option<u64>, body: &[u8]) -> Heard {
    let trouble = |message| Heard::Trouble {
        message,
        wait: retry_after.unwrap_or_default().min(LONGEST_WAIT) * 1000,
    };
    let Ok(Problem { reason, message }) = serde_json::from_slice(body) else {
        // Not the service itself: a gateway before it, or something else at this address.
        let message = format!("status {status} without a reason");
        return match status {
            408 | 429 | 500.. => trouble(message),
            _ => malformed(&message),
        };
    };
    let message = shown(&message);
    match reason {
        EnrolmentRefusal::ClockSkew => Heard::ClockSkew(message),
        reason if reason.is_passing() || status >= 500 => trouble(format!("{reason}: {message}")),
        reason => Heard::Refused(reason, message),
    }
}

fn pause(poll_after_seconds: u32) -> u64 {
    let (least, most) = POLL;
    u64::from(poll_after_seconds.clamp(least, most)) * 1000
}

fn state(state: EnrolmentState) -> Heard {
    match state {
        EnrolmentState::Pending {
            poll_after_seconds,
            waits_for,
        } => {
            let delay = pause(poll_after_seconds);
            waits_for.map_or(Heard::Pending(delay), |reason| {
                Heard::Approving(shown(&reason), delay)
            })
        }
        EnrolmentState::Denied { reason, message } => Heard::Denied(reason, shown(&message)),
        EnrolmentState::Approved(approval) if approval.manifest_keys.is_empty() => {
            malformed("the approval names no manifest key")
        }
        EnrolmentState::Approved(approval) => Heard::Approved(approval),
        EnrolmentState::Unknown => malformed("a state that this version does not know"),
    }
}

fn malformed(what: &str) -> Heard {
    let message = format!("the answer is not an enrolment service's: {what}");
    Heard::Refused(EnrolmentRefusal::Malformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn id() -> EnrolmentId {
        "a".repeat(40).parse().expect("an id")
    }

    fn heard(status: u16, body: &Value) -> Heard {
        hear(&id(), status, None, body.to_string().as_bytes())
    }

    #[test]
    fn an_answer_says_when_to_look_again() {
        let pending = |seconds: u32| {
            let body = json!({"schemaVersion": 1, "enrolmentId": id(), "state": "Pending", "pollAfterSeconds": seconds});
            heard(202, &body)
        };
        assert_eq!(pending(5), Heard::Pending(5_000));
        assert_eq!(pending(0), Heard::Pending(1_000));
        assert_eq!(pending(u32::MAX), Heard::Pending(300_000));
        let body = json!({"schemaVersion": 1, "enrolmentId": id(), "state": "Pending", "pollAfterSeconds": 2, "waitsFor": "a\u{7}"});
        assert_eq!(heard(202, &body), Heard::Approving("a".into(), 2_000));
    }

    #[test]
    fn another_devices_answer_is_refused() {
        let body = json!({"schemaVersion": 1, "enrolmentId": "b".repeat(40), "state": "Pending", "pollAfterSeconds": 5});
        assert!(matches!(
            heard(200, &body),
            Heard::Refused(EnrolmentRefusal::Malformed, _)
        ));
    }

    #[test]
    fn refusals_are_final_and_trouble_is_not() {
        let problem = |reason: EnrolmentRefusal| heard(reason.status(), &json!({"reason": reason}));
        for &reason in EnrolmentRefusal::ALL {
            let heard = problem(reason);
            match reason {
                EnrolmentRefusal::ClockSkew => assert!(matches!(heard, Heard::ClockSkew(_))),
                EnrolmentRefusal::RateLimited
                | EnrolmentRefusal::Unavailable
                | EnrolmentRefusal::Unknown => assert!(matches!(heard, Heard::Trouble { .. })),
                reason => assert_eq!(heard, Heard::Refused(reason, String::new())),
            }
        }
        assert!(matches!(
            hear(&id(), 502, Some(9), b"<html>"),
            Heard::Trouble { wait: 9_000, .. }
        ));
        assert!(matches!(
            hear(&id(), 404, None, b"<html>"),
            Heard::Refused(EnrolmentRefusal::Malformed, _)
        ));
    }

    #[test]
    fn a_next_key_is_awaited_or_there() {
        let heard =
            |status, body: &Value| hear_next_key(&id(), status, None, body.to_string().as_bytes());
        let pending = json!({"schemaVersion": 1, "enrolmentId": id(), "state": "Pending", "pollAfterSeconds": 2});
        assert_eq!(heard(202, &pending), Heard::Pending(2_000));
        let mut added = json!({"schemaVersion": 1, "enrolmentId": id(), "state": "Added", "keyId": "7", "keyExpiresAt": 9});
        assert_eq!(heard(200, &added), Heard::Added("7".into()));
        added["enrolmentId"] = "b".repeat(40).into();
        let refused = |heard| matches!(heard, Heard::Refused(EnrolmentRefusal::Malformed, _));
        assert!(refused(heard(200, &added)));
        let problem = json!({"reason": "NotApproved"});
        let not_approved = Heard::Refused(EnrolmentRefusal::NotApproved, String::new());
        assert_eq!(heard(403, &problem), not_approved);
    }

    proptest! {
        #[test]
        fn any_answer_about_a_key_is_heard(status in any::<u16>(), body in any::<Vec<u8>>()) {
            let added = matches!(hear_next_key(&id(), status, None, &body), Heard::Added(_));
            prop_assert!(!added);
        }

        #[test]
        fn any_answer_is_heard(status in any::<u16>(), body in any::<Vec<u8>>()) {
            let approved = matches!(hear(&id(), status, None, &body), Heard::Approved(_));
            prop_assert!(!approved);
        }
    }
}
