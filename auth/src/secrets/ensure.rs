//! Makes what is not there, turns the one key that is asked for, and writes what follows from it.

use std::collections::BTreeMap;

use fleet_keys::{KeyError, SecretKey, make_master_key, make_seal_key};
use fleet_service::cluster::{self, ConfigError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use rcgen::{CertificateParams, DnType, Issuer};

use super::args::EnsureArgs;
use super::catalogue::{
    AUTHORITY_CERTIFICATE, AUTHORITY_KEY, AUTHORITY_NAME, Name, OPENBAO_TLS_NAME, PUBLIC_NAME,
    SEAL_ENTRY, ZITADEL_ENTRY, ZITADEL_NAME, seal_secret,
};
use super::public::{Rings, entries};
use super::ring::{Ring, RingError, Turn};
use super::store::{ATTEMPTS, Store, StoreError, Write, config_map, secret};
use crate::certificate::{self, authority_params};
use crate::enrol;
use crate::steps::{Mode, Outcome, Step};

/// Why not all keys are there.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// No way to the API server is configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The API server.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key is not what it should be, or not ready for what is asked.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// No key could be made.
    #[error(transparent)]
    Make(#[from] KeyError),
    /// There can be no certificate for these names.
    #[error("cannot make a certificate for the names of --openbao-host")]
    Certificate(#[source] rcgen::Error),
    /// Somebody has put something else there.
    #[error(
        "the Secret {AUTHORITY_NAME} has no certificate in `{AUTHORITY_CERTIFICATE}`: put the \
         authority of the enrolment service there, or delete the Secret to have one made"
    )]
    Authority,
}

/// Ensures all keys; `tell` hears of each thing as soon as it is so. Killed anywhere, the next run
/// goes on where it was.
///
/// # Errors
/// At the first thing that fails; those before it stay done.
pub async fn ensure(args: &EnsureArgs, tell: &mut impl FnMut(Step)) -> Result<(), EnsureError> {
    let client = cluster::client().await?;
    let store = Store::new(&client, &args.namespace, args.seals(), args.mode());
    let mut run = Run {
        store,
        mode: args.mode(),
        planned: Rings::new(),
        authority: String::new(),
        tell,
    };
    if args.zitadel_masterkey_only {
        return run.zitadel().await;
    }
    run.seal(args).await?;
    run.openbao(&args.openbao_hosts).await?;
    if args.zitadel_masterkey {
        run.zitadel().await?;
    }
    for name in Name::ALL {
        let turn = args.turn().filter(|(turned, _)| *turned == name);
        run.key(name, turn.map(|(_, turn)| turn)).await?;
    }
    run.authority().await?;
    run.publish().await
}

struct Run<'a, T> {
    store: Store,
    mode: Mode,
    /// What would be there after [`Mode::Apply`].
    planned: Rings,
    /// The certificate of the enrolment service's authority.
    authority: String,
    tell: &'a mut T,
}

impl<T: FnMut(Step)> Run<'_, T> {
    fn note(&mut self, what: String, outcome: Outcome) {
        (self.tell)(Step { what, outcome });
    }

    /// Created and never read: nobody but OpenBao needs to be able to.
    async fn seal(&mut self, args: &EnsureArgs) -> Result<(), EnsureError> {
        let name = seal_secret(args.seal_number);
        let key = ByteString(make_seal_key()?.into());
        let mut object = secret(&name, BTreeMap::from([(SEAL_ENTRY.to_owned(), key)]));
        object.immutable = Some(true);
        self.unread(&name, &object).await
    }

    /// The certificate that the pods of the namespace know OpenBao by.
    async fn openbao(&mut self, hosts: &[String]) -> Result<(), EnsureError> {
        if hosts.is_empty() {
            return Ok(());
        }
        let entries = openbao_tls(hosts).map_err(EnsureError::Certificate)?;
        let mut object = secret(OPENBAO_TLS_NAME, entries);
        object.type_ = Some("kubernetes.io/tls".to_owned());
        self.unread(OPENBAO_TLS_NAME, &object).await
    }

    /// Cannot be changed: without it Zitadel's database is worthless.
    async fn zitadel(&mut self) -> Result<(), EnsureError> {
        let key = ByteString(make_master_key()?.into());
        let entry = (ZITADEL_ENTRY.to_owned(), key);
        let mut object = secret(ZITADEL_NAME, BTreeMap::from([entry]));
        object.immutable = Some(true);
        self.unread(ZITADEL_NAME, &object).await
    }

    /// Makes a Secret of others, who are beside OpenBao. What is there stays, whatever it is.
    async fn unread(&mut self, name: &str, object: &Secret) -> Result<(), EnsureError> {
        let outcome = match self.store.seals.create(name, object).await? {
            Write::Done => Outcome::Created,
            Write::Late => Outcome::Kept,
        };
        self.note(self.store.seals.path(name), outcome);
        Ok(())
    }

    async fn key(&mut self, name: Name, turn: Option<Turn>) -> Result<(), EnsureError> {
        let path = self.store.secrets.path(name.secret());
        let secrets = &self.store.secrets;
        let settle = async |found| self.settle(name, found, turn).await;
        let (ring, outcome) = secrets.settle(name.secret(), ATTEMPTS, settle).await?;
        // A key that is only planned will be another one.
        let what = if self.mode == Mode::Plan && outcome != Outcome::Kept {
            path
        } else {
            let known: Vec<_> = ring.known().map(SecretKey::public).collect();
            format!("{path}: {}", known.join(", "))
        };
        self.planned.insert(name, ring);
        self.note(what, outcome);
        Ok(())
    }

    /// None if somebody was faster.
    async fn settle(
        &self,
        name: Name,
        found: Option<Secret>,
        turn: Option<Turn>,
    ) -> Result<Option<(Ring, Outcome)>, EnsureError> {
        let turned = |ring: Ring| match turn {
            Some(turn) => ring.turned(name, turn),
            None => Ok(ring),
        };
        let secrets = &self.store.secrets;
        let Some(mut object) = found else {
            let ring = turned(Ring::new(SecretKey::make(name.kind())?))?;
            let mut data = BTreeMap::new();
            ring.write(name, &mut data);
            let object = secret(name.secret(), data);
            let written = secrets.create(name.secret(), &object).await?;
            return Ok((written == Write::Done).then_some((ring, Outcome::Created)));
        };
        let mut data = object.data.take().unwrap_or_default();
        let before = Ring::read(name, &data)?;
        let ring = turned(before.clone())?;
        if ring == before {
            return Ok(Some((ring, Outcome::Kept)));
        }
        ring.write(name, &mut data);
        object.data = Some(data);
        let written = secrets.replace(name.secret(), &object).await?;
        Ok((written == Write::Done).then_some((ring, Outcome::Changed)))
    }

    /// Made once: devices pin it.
    async fn authority(&mut self) -> Result<(), EnsureError> {
        let secrets = &self.store.secrets;
        let settle = async |found: Option<Secret>| {
            if let Some(object) = found {
                let certificate = published(object.data.unwrap_or_default())?;
                return Ok::<_, EnsureError>(Some((certificate, Outcome::Kept)));
            }
            let made = certificate::authority(enrol::AUTHORITY);
            let (certificate, key) = made.map_err(|_| KeyError::Make)?;
            let data = [
                (AUTHORITY_CERTIFICATE, certificate.pem()),
                (AUTHORITY_KEY, key.serialize_pem()),
            ];
            let object = secret(AUTHORITY_NAME, pems(data));
            let written = secrets.create(AUTHORITY_NAME, &object).await?;
            let made = (certificate.pem(), Outcome::Created);
            Ok((written == Write::Done).then_some(made))
        };
        let (certificate, outcome) = secrets.settle(AUTHORITY_NAME, ATTEMPTS, settle).await?;
        let path = secrets.path(AUTHORITY_NAME);
        self.authority = certificate;
        self.note(path, outcome);
        Ok(())
    }

    /// The map is read before the keys: if somebody writes a newer one in between, the version is
    /// no longer that, and this one is not written over it.
    async fn publish(&mut self) -> Result<(), EnsureError> {
        let maps = &self.store.maps;
        let settle = async |found| {
            let wanted = entries(&self.rings().await?, &self.authority);
            self.settle_public(found, wanted).await
        };
        let outcome = maps.settle(PUBLIC_NAME, ATTEMPTS, settle).await?;
        let path = maps.path(PUBLIC_NAME);
        self.note(path, outcome);
        Ok(())
    }

    async fn rings(&self) -> Result<Rings, EnsureError> {
        let mut rings = self.planned.clone();
        if self.mode == Mode::Plan {
            return Ok(rings);
        }
        for (name, ring) in &mut rings {
            if let Some(object) = self.store.secrets.find(name.secret()).await? {
                *ring = Ring::read(*name, &object.data.unwrap_or_default())?;
            }
        }
        Ok(rings)
    }

    async fn settle_public(
        &self,
        found: Option<ConfigMap>,
        wanted: BTreeMap<String, String>,
    ) -> Result<Option<Outcome>, EnsureError> {
        let maps = &self.store.maps;
        let (written, outcome) = match found {
            None => (
                maps.create(PUBLIC_NAME, &config_map(PUBLIC_NAME, wanted))
                    .await?,
                Outcome::Created,
            ),
            Some(object) if object.data.as_ref() == Some(&wanted) => {
                return Ok(Some(Outcome::Kept));
            }
            Some(mut object) => {
                object.data = Some(wanted);
                (maps.replace(PUBLIC_NAME, &object).await?, Outcome::Changed)
            }
        };
        Ok((written == Write::Done).then_some(outcome))
    }
}

/// Entries of a Secret.
fn pems<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, ByteString> {
    let entries = entries.map(|(entry, pem)| (entry.to_owned(), ByteString(pem.into())));
    BTreeMap::from(entries)
}

/// A certificate for these names, its key, and the authority by which others know it for genuine, whose
/// key is kept nowhere: it vouches for nothing else.
fn openbao_tls(hosts: &[String]) -> Result<BTreeMap<String, ByteString>, rcgen::Error> {
    let name = hosts.first().map(String::as_str).unwrap_or_default();
    let authority = format!("authority of {name}");
    let (signed, authority_key) = certificate::authority(&authority)?;
    let issuer = Issuer::new(authority_params(&authority), authority_key);
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let (certificate, key) = certificate::server(params, &issuer)?;
    Ok(pems([
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
        (AUTHORITY_CERTIFICATE, signed.pem()),
    ]))
}

/// What an authority's Secret tells others.
fn published(data: BTreeMap<String, ByteString>) -> Result<String, EnsureError> {
    let mut data = data;
    let pem = data.remove(AUTHORITY_CERTIFICATE).unwrap_or_default();
    let pem = String::from_utf8(pem.0).ok();
    pem.filter(|pem| pem.contains("BEGIN CERTIFICATE"))
        .ok_or(EnsureError::Authority)
}
