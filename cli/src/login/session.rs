//! A login: the tokens of one person for one application.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A token this near to its end is not given to kubectl, whose request may take a moment.
const MARGIN_SECONDS: i64 = 60;

/// The tokens of one person. It has no `Debug`: nothing may print them by accident.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Who gave them.
    pub issuer: String,
    /// To which application.
    pub client_id: String,
    /// The person's id.
    pub subject: String,
    /// The person's name, if the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the id token began, in seconds since 1970.
    pub issued: i64,
    /// When it ends.
    pub expires: i64,
    /// What Kubernetes takes.
    pub id_token: String,
    /// What gets the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl Session {
    /// Whether the token is good for another while.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.as_second() < self.renew_at()
    }

    /// Whether the token is good at all.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires
    }

    /// When kubectl shall ask again: ahead of the end, unless that is past already.
    pub fn ask_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        let at = if self.is_fresh(now) {
            self.renew_at()
        } else {
            self.expires
        };
        Timestamp::from_second(at).ok()
    }

    /// Who it is, for people.
    pub fn person(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.subject)
    }

    /// Providers may be set to tokens of a few minutes, of which a margin must not take all.
    fn renew_at(&self) -> i64 {
        let lifetime = self.expires.saturating_sub(self.issued).max(0);
        self.expires - MARGIN_SECONDS.min(lifetime / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(issued: i64, expires: i64) -> Session {
        Session {
            issuer: String::new(),
            client_id: String::new(),
            subject: "7".to_owned(),
            name: None,
            issued,
            expires,
            id_token: String::new(),
            refresh_token: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        let hour = session(0, 3600);
        assert!(hour.is_fresh(at(3539)) && !hour.is_fresh(at(3540)));
        assert!(hour.is_valid(at(3599)) && !hour.is_valid(at(3600)));
        assert_eq!(hour.ask_again_at(at(0)), Some(at(3540)));
        assert_eq!(hour.ask_again_at(at(3550)), Some(at(3600)));
        let short = session(0, 20);
        assert!(short.is_fresh(at(14)) && !short.is_fresh(at(15)));
    }

    #[test]
    fn times_that_make_no_sense_are_no_panic() {
        let backwards = session(i64::MAX, i64::MIN + 100);
        assert!(!backwards.is_fresh(at(0)));
        assert_eq!(backwards.ask_again_at(at(0)), None);
    }
}
