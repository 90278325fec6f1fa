//! What came of it, kept in the cluster.

use std::collections::BTreeMap;

use fleet_keys::identity::{CLIENT_ENTRY, ISSUER_ENTRY, ORGANISATION_ENTRY, PROJECT_ENTRY};
use fleet_service::cluster::{self, ConfigError};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::args::KeepArgs;
use super::connection::{Connection, IdpError};
use super::enroller::Enroller;
use super::provision::Ids;
use super::wanted::COMMAND_LINE;
use crate::secrets::StoreError;
use crate::secrets::store::{ATTEMPTS, Objects, Write, config_map};
use crate::steps::{Mode, Outcome, Step};

/// Why it was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// No way to the API server is configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The API server.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The identity provider.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// Somebody has the name.
    #[error("the user {0} is a person's: name another one for the enrolment service")]
    Person(String),
    /// Somebody shut it out, and that is not ours to undo.
    #[error("somebody has deactivated the user {0}: reactivate it to let devices join")]
    Inactive(String),
}

/// Where it is kept.
pub(super) struct Keeper<'a> {
    args: &'a KeepArgs,
    mode: Mode,
    maps: Objects<ConfigMap>,
    secrets: Objects<Secret>,
}

impl<'a> Keeper<'a> {
    /// None where nothing is to be kept: then no cluster is needed.
    pub(super) async fn new(args: &'a KeepArgs, mode: Mode) -> Result<Option<Self>, KeepError> {
        if args.identity_map.is_none() && args.enrol_token_secret.is_none() {
            return Ok(None);
        }
        let client = cluster::client().await?;
        Ok(Some(Self {
            args,
            mode,
            maps: Objects::new(&client, "ConfigMap", &args.namespace, mode),
            secrets: Objects::new(&client, "Secret", &args.namespace, mode),
        }))
    }

    /// The ids, in the `ConfigMap`. What others have put there stays.
    pub(super) async fn ids(
        &self,
        issuer: &str,
        ids: &Ids,
        tell: &mut impl FnMut(Step),
    ) -> Result<(), KeepError> {
        let Some(name) = &self.args.identity_map else {
            return Ok(());
        };
        let wanted = entries(issuer, ids);
        let settle = async |found| self.settle(name, found, &wanted).await;
        let outcome = self.maps.settle(name, ATTEMPTS, settle).await?;
        let what = self.maps.path(name);
        tell(Step { what, outcome });
        Ok(())
    }

    /// None if somebody was faster.
    async fn settle(
        &self,
        name: &str,
        found: Option<ConfigMap>,
        wanted: &BTreeMap<String, String>,
    ) -> Result<Option<Outcome>, KeepError> {
        let Some(mut object) = found else {
            let object = config_map(name, wanted.clone());
            let written = self.maps.create(name, &object).await?;
            return Ok((written == Write::Done).then_some(Outcome::Created));
        };
        let data = object.data.get_or_insert_default();
        let differs = |(entry, value): &(&String, &String)| data.get(*entry) != Some(value);
        let changed: Vec<_> = wanted.iter().filter(differs).collect();
        if changed.is_empty() {
            return Ok(Some(Outcome::Kept));
        }
        let mut told = Vec::new();
        for (entry, value) in changed {
            if let Some(before) = data.insert(entry.clone(), value.clone()) {
                told.push((entry, before, value));
            }
        }
        let written = self.maps.replace(name, &object).await?;
        if written == Write::Late {
            return Ok(None);
        }
        for (entry, before, now) in told {
            tracing::warn!(
                entry,
                before,
                now,
                "the identity provider has another one than before: restart what reads it; devices \
                 and people with tokens of the earlier one are refused"
            );
        }
        Ok(Some(Outcome::Changed))
    }

    /// The enrolment service's token, in the Secret.
    pub(super) async fn token(
        &self,
        connection: &Connection,
        ids: &Ids,
        tell: &mut impl FnMut(Step),
    ) -> Result<(), KeepError> {
        let Some(name) = &self.args.enrol_token_secret else {
            return Ok(());
        };
        let enroller = Enroller {
            connection,
            secrets: &self.secrets,
            name,
            args: self.args,
            organisation: &ids.organisation,
            mode: self.mode,
            now: Timestamp::now(),
        };
        enroller.ensure(tell).await
    }
}

/// What the `ConfigMap` says. Ids that are only planned are empty.
fn entries(issuer: &str, ids: &Ids) -> BTreeMap<String, String> {
    let fixed = [
        (ISSUER_ENTRY, issuer),
        (ORGANISATION_ENTRY, &ids.organisation),
        (PROJECT_ENTRY, &ids.project),
    ];
    let fixed = fixed.map(|(entry, value)| (entry.to_owned(), value.to_owned()));
    let clients = ids.applications.iter().map(|(name, client)| {
        let entry = if name == COMMAND_LINE {
            CLIENT_ENTRY.to_owned()
        } else {
            format!("{CLIENT_ENTRY}.{name}")
        };
        (entry, client.clone())
    });
    fixed.into_iter().chain(clients).collect()
}
