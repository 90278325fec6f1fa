//! What was given out: codes, access tokens, refresh tokens.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::clients::{Application, Challenge};
use super::scopes::Scopes;
use super::store::Store;
use crate::secret;

/// How long a code may be redeemed.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(1);

/// A user who proved who they are to a client.
#[derive(Debug, Clone)]
pub(in crate::idp) struct Session {
    pub(in crate::idp) user: String,
    /// Of an application, or a machine's user name.
    pub(in crate::idp) client_id: String,
    pub(in crate::idp) scopes: Scopes,
    pub(in crate::idp) audience: Vec<String>,
    pub(in crate::idp) authenticated: Timestamp,
    pub(in crate::idp) nonce: Option<String>,
    /// Whose roles are stated as other providers do.
    pub(in crate::idp) neutral_project: Option<String>,
}

impl Session {
    pub(in crate::idp) fn application<'a>(&self, store: &'a Store) -> Option<&'a Application> {
        store.applications.get(&self.client_id)
    }
}

/// A login that waits for its client.
#[derive(Debug)]
pub(in crate::idp) struct Code {
    pub(in crate::idp) session: Session,
    pub(in crate::idp) redirect_uri: String,
    pub(in crate::idp) challenge: Option<Challenge>,
    expires: Timestamp,
}

#[derive(Debug)]
struct Issued {
    session: Session,
    expires: Timestamp,
}

/// Everything given out that may come back.
#[derive(Debug, Default)]
pub(in crate::idp) struct Sessions {
    codes: BTreeMap<String, Code>,
    /// By token id.
    access: BTreeMap<String, Issued>,
    /// Token ids by opaque token.
    opaque: BTreeMap<String, String>,
    refresh: BTreeMap<String, Issued>,
    /// Ids of client assertions, with their ends.
    used: BTreeMap<String, i64>,
}

impl Sessions {
    pub(in crate::idp) fn add_code(
        &mut self,
        session: Session,
        redirect_uri: String,
        challenge: Option<Challenge>,
        now: Timestamp,
    ) -> String {
        let code = secret::token();
        let expires = now + CODE_LIFETIME;
        let entry = Code {
            session,
            redirect_uri,
            challenge,
            expires,
        };
        self.codes.insert(code.clone(), entry);
        code
    }

    /// A code is good once, also for whoever fails with it.
    pub(in crate::idp) fn take_code(&mut self, code: &str, now: Timestamp) -> Option<Code> {
        self.codes.remove(code).filter(|code| now < code.expires)
    }

    /// Enters an access token; its id.
    pub(in crate::idp) fn add_access(&mut self, session: Session, expires: Timestamp) -> String {
        // The forms of Zitadel's ids, of which the second is shown to nobody else.
        let id = format!("V2_{}-at_{}", secret::token(), secret::token());
        self.access.insert(id.clone(), Issued { session, expires });
        id
    }

    /// A token that says nothing, for an id that was entered.
    pub(in crate::idp) fn add_opaque(&mut self, id: &str) -> String {
        let token = secret::token();
        self.opaque.insert(token.clone(), id.to_owned());
        token
    }

    pub(in crate::idp) fn by_opaque(&self, token: &str, now: Timestamp) -> Option<&Session> {
        self.by_id(self.opaque.get(token)?, now)
    }

    pub(in crate::idp) fn by_id(&self, id: &str, now: Timestamp) -> Option<&Session> {
        let issued = self.access.get(id)?;
        (now < issued.expires).then_some(&issued.session)
    }

    pub(in crate::idp) fn add_refresh(&mut self, session: Session, expires: Timestamp) -> String {
        let token = secret::token();
        self.refresh
            .insert(token.clone(), Issued { session, expires });
        token
    }

    pub(in crate::idp) fn refresh(&self, token: &str, now: Timestamp) -> Option<&Session> {
        let issued = self.refresh.get(token)?;
        (now < issued.expires).then_some(&issued.session)
    }

    pub(in crate::idp) fn drop_refresh(&mut self, token: &str) {
        self.refresh.remove(token);
    }

    /// Whether this id is seen for the first time.
    pub(in crate::idp) fn use_once(&mut self, id: &str, expires: i64, now: Timestamp) -> bool {
        self.used.retain(|_, expires| now.as_second() < *expires);
        self.used.insert(id.to_owned(), expires).is_none()
    }
}
