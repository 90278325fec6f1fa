//! Logging in on another device (RFC 8628).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::oauth::OAuthError;
use super::scopes::Scopes;
use crate::secret;

/// As in Zitadel.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// Requests that wait for a person.
#[derive(Debug, Default)]
pub(in crate::idp) struct DeviceRequests(BTreeMap<String, DeviceRequest>);

#[derive(Debug)]
pub(in crate::idp) struct DeviceRequest {
    pub(in crate::idp) client_id: String,
    pub(in crate::idp) scopes: Scopes,
    user_code: String,
    expires: Timestamp,
    polled: Option<Timestamp>,
    decision: Option<Decision>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::idp) enum Decision {
    Approved { user: String },
    Denied,
}

/// The two codes: for the client, and for the person.
#[derive(Debug)]
pub(in crate::idp) struct Codes {
    pub(in crate::idp) device: String,
    pub(in crate::idp) user: String,
    pub(in crate::idp) lifetime: SignedDuration,
}

impl DeviceRequests {
    pub(in crate::idp) fn add(&mut self, client_id: &str, scopes: Scopes, now: Timestamp) -> Codes {
        let device = secret::token();
        let user = user_code();
        let request = DeviceRequest {
            client_id: client_id.to_owned(),
            scopes,
            user_code: user.clone(),
            expires: now + LIFETIME,
            polled: None,
            decision: None,
        };
        self.0.insert(device.clone(), request);
        Codes {
            device,
            user,
            lifetime: LIFETIME,
        }
    }

    /// What a person decided; says whether the code is known.
    pub(in crate::idp) fn decide(&mut self, user_code: &str, decision: Decision) -> bool {
        let request = self
            .0
            .values_mut()
            .find(|request| request.user_code == user_code);
        let Some(request) = request else {
            return false;
        };
        request.decision = Some(decision);
        true
    }

    /// The request, once a person approved it; the code is good once.
    pub(in crate::idp) fn poll(
        &mut self,
        code: &str,
        client_id: &str,
        interval: SignedDuration,
        now: Timestamp,
    ) -> Result<(DeviceRequest, String), OAuthError> {
        let unknown = || OAuthError::invalid_grant("Errors.DeviceAuth.NotFound");
        let request = self.0.get_mut(code).ok_or_else(unknown)?;
        if request.client_id != client_id {
            return Err(unknown());
        }
        if request.expires <= now {
            return Err(OAuthError::waiting("expired_token"));
        }
        let before = request.polled.replace(now);
        match request.decision.clone() {
            Some(Decision::Approved { user }) => {
                let request = self.0.remove(code).ok_or_else(unknown)?;
                Ok((request, user))
            }
            Some(Decision::Denied) => Err(OAuthError::waiting("access_denied")),
            None if before.is_some_and(|before| now < before + interval) => {
                Err(OAuthError::waiting("slow_down"))
            }
            None => Err(OAuthError::waiting("authorization_pending")),
        }
    }
}

/// Eight letters that form no word, as RFC 8628 §6.1 advises.
fn user_code() -> String {
    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    let letters: String = secret::random::<8>().into_iter().map(letter).collect();
    let (first, second) = letters.split_at(4);
    format!("{first}-{second}")
}
