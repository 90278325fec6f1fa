//! The enrolment service's user at the identity provider, and its token.
//!
//! The token is seen once, when it is made, and then kept in a Secret. So a run that is killed between the
//! two leaves one that nobody has; the next run makes another and takes that one back.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_keys::identity::TOKEN_ID_ENTRY;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::args::KeepArgs;
use super::connection::Connection;
use super::keep::KeepError;
use super::members::{FoundToken, MadeToken};
use crate::secrets::store::{Objects, Write, secret};
use crate::steps::{Mode, Outcome, Step};

/// Users of the organisation and their role grants, and nothing else.
const ROLE: &str = "ORG_USER_MANAGER";
/// What may do the same, and more.
const OWNER: &str = "ORG_OWNER";
/// How long a token is good. It ends so that a forgotten one does; long before that a run has replaced it.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How often somebody else may be faster.
const ATTEMPTS: usize = 5;

/// Makes sure that the Secret has a token that is good.
pub(super) struct Enroller<'a> {
    pub(super) connection: &'a Connection,
    pub(super) secrets: &'a Objects<Secret>,
    pub(super) name: &'a str,
    pub(super) args: &'a KeepArgs,
    pub(super) organisation: &'a str,
    pub(super) mode: Mode,
    pub(super) now: Timestamp,
}

impl Enroller<'_> {
    /// In this order, so that whatever the Secret says is true when it is there.
    pub(super) async fn ensure(&self, tell: &mut impl FnMut(Step)) -> Result<(), KeepError> {
        let found = self.secrets.find(self.name).await?;
        if found.as_ref().is_some_and(|found| self.is_brought(found)) {
            note(tell, self.what(), Outcome::Kept);
            return Ok(());
        }
        let Some(user) = self.user(tell).await? else {
            // Only planned: it has neither role nor token yet.
            note(tell, format!("role {ROLE}"), Outcome::Created);
            note(tell, self.what(), Outcome::Created);
            return Ok(());
        };
        self.role(&user, tell).await?;
        let settle = async |found| self.token(found, &user).await;
        let outcome = self.secrets.settle(self.name, ATTEMPTS, settle).await?;
        note(tell, self.what(), outcome);
        Ok(())
    }

    fn what(&self) -> String {
        self.secrets.path(self.name)
    }

    /// Whoever brings a token does not say by which id the provider knows it.
    fn is_brought(&self, secret: &Secret) -> bool {
        let has = |name: &str| entry(secret, name).is_some();
        has(&self.args.enrol_token_entry) && !has(TOKEN_ID_ENTRY)
    }

    /// The user's id; none while it is only planned.
    async fn user(&self, tell: &mut impl FnMut(Step)) -> Result<Option<String>, KeepError> {
        let name = &self.args.enrol_user;
        let found = if self.organisation.is_empty() {
            None
        } else {
            self.connection.user(self.organisation, name).await?
        };
        let what = |id: &str| format!("user {name}: {id}");
        match found {
            Some(user) if !user.is_machine() => Err(KeepError::Person(name.clone())),
            Some(user) if !user.is_active() => Err(KeepError::Inactive(name.clone())),
            Some(user) => {
                note(tell, what(&user.user_id), Outcome::Kept);
                Ok(Some(user.user_id))
            }
            None if self.mode == Mode::Plan => {
                note(tell, format!("user {name}"), Outcome::Created);
                Ok(None)
            }
            None => {
                let id = self.connection.create_machine(self.organisation, name);
                let id = id.await?;
                note(tell, what(&id), Outcome::Created);
                Ok(Some(id))
            }
        }
    }

    async fn role(&self, user: &str, tell: &mut impl FnMut(Step)) -> Result<(), KeepError> {
        let found = self.connection.roles_of(self.organisation, user).await?;
        let applies = self.mode == Mode::Apply;
        let outcome = match found {
            Some(roles) if roles.iter().any(|role| role == ROLE || role == OWNER) => Outcome::Kept,
            Some(roles) => {
                // What somebody gave it beside stays.
                let all: Vec<_> = roles.iter().map(String::as_str).chain([ROLE]).collect();
                if applies {
                    let set = self.connection.set_roles(self.organisation, user, &all);
                    set.await?;
                }
                Outcome::Changed
            }
            None => {
                if applies {
                    let grant = self.connection.grant_role(self.organisation, user, ROLE);
                    grant.await?;
                }
                Outcome::Created
            }
        };
        let name = &self.args.enrol_user;
        note(tell, format!("role {ROLE} of {name}"), outcome);
        Ok(())
    }

    /// None if somebody was faster.
    async fn token(&self, found: Option<Secret>, user: &str) -> Result<Option<Outcome>, KeepError> {
        if found.as_ref().is_some_and(|found| self.is_brought(found)) {
            return Ok(Some(Outcome::Kept));
        }
        let tokens = self.connection.tokens(user).await?;
        // Whatever becomes of it, pods have it until they see another: the next run takes it back.
        let held = found.as_ref().and_then(id_of);
        let outcome = match &found {
            Some(found) if self.is_good(found, &tokens) => Outcome::Kept,
            Some(_) => Outcome::Changed,
            None => Outcome::Created,
        };
        if self.mode == Mode::Plan {
            return Ok(Some(outcome));
        }
        if outcome != Outcome::Kept {
            let end = self.now + LIFETIME;
            let made = self.connection.add_token(user, end).await?;
            if self.write(found, &made).await? == Write::Late {
                let removed = self.connection.remove_token(user, &made.token_id);
                removed.await?;
                return Ok(None);
            }
        }
        let rest = tokens
            .iter()
            .filter(|token| Some(&token.id) != held.as_ref());
        for token in rest {
            self.connection.remove_token(user, &token.id).await?;
        }
        Ok(Some(outcome))
    }

    /// Whether the provider has it, and half of its time is left for the next run to come.
    fn is_good(&self, secret: &Secret, tokens: &[FoundToken]) -> bool {
        let id = id_of(secret);
        let limit = self.now + LIFETIME / 2;
        let is_it = |token: &FoundToken| {
            Some(&token.id) == id.as_ref() && token.expiration_date.is_none_or(|end| end > limit)
        };
        entry(secret, &self.args.enrol_token_entry).is_some() && tokens.iter().any(is_it)
    }

    async fn write(&self, before: Option<Secret>, made: &MadeToken) -> Result<Write, KeepError> {
        let entries = [
            (self.args.enrol_token_entry.clone(), made.token.clone()),
            (TOKEN_ID_ENTRY.to_owned(), made.token_id.clone()),
        ];
        let entries = entries.map(|(entry, value)| (entry, ByteString(value.into_bytes())));
        let entries = BTreeMap::from(entries);
        let written = match before {
            None => {
                let object = secret(self.name, entries);
                self.secrets.create(self.name, &object).await?
            }
            Some(mut object) => {
                object.data.get_or_insert_default().extend(entries);
                self.secrets.replace(self.name, &object).await?
            }
        };
        Ok(written)
    }
}

fn note(tell: &mut impl FnMut(Step), what: String, outcome: Outcome) {
    tell(Step { what, outcome });
}

/// An entry that says something.
fn entry<'s>(secret: &'s Secret, name: &str) -> Option<&'s [u8]> {
    let value = secret.data.as_ref()?.get(name)?;
    (!value.0.is_empty()).then_some(value.0.as_slice())
}

/// By which id the provider knows its token.
fn id_of(secret: &Secret) -> Option<String> {
    String::from_utf8(entry(secret, TOKEN_ID_ENTRY)?.to_vec()).ok()
}
