//! Shutting devices out and letting them in again, in OpenBao.
//!
//! Two records say that a device is denied: its own, for good, and the list of [`Denials`], which every
//! callout reads each second. Both are changed by check-and-set only, so that nobody's change is lost,
//! and both calls may be repeated: whoever is killed in between does the same again.

use fleet_auth_core::{AllowedLabels, Denial, Denials, DevicePolicy};
use fleet_contracts::DeviceId;
use serde_json::{Map, Value};
use vaultrs::api::{self, kv2::requests as kv2_requests};
use vaultrs::error::ClientError;
use vaultrs::kv2;

use super::client::{Answer, BaoError, Session};
use super::setup::{DEVICES, KV_MOUNT};
use crate::clock;

/// The list: beside the devices' own records, so that the same rights cover both. No device can have
/// this name.
pub const DENIED: &str = "devices/_denied";
/// The version of a record that was never written, or lost with its store.
const NEVER: u32 = 0;
/// Others may change a record at the same time, but not for long.
const ATTEMPTS: u32 = 8;

/// Why a denial was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum DenialError {
    /// OpenBao refused, or cannot be asked.
    #[error(transparent)]
    Bao(#[from] BaoError),
    /// A record is not what it should be.
    #[error("{path} does not hold what it should")]
    Malformed {
        /// Which.
        path: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Others change the record all the time, or it was deleted: then undelete it first.
    #[error("{0} was changed by others again and again, or deleted")]
    Contended(String),
    /// The device has no record, and so is not to be let in.
    #[error("there is no {0}")]
    Missing(String),
}

impl DenialError {
    /// Whether the token is not good, or not for this.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Bao(BaoError::Request { source, .. }) if source.is_denied())
    }
}

/// Shuts a device out. The list comes first: it takes effect at once.
///
/// # Errors
/// When one of the records was not written; then do it again.
pub async fn deny(session: &Session, device: &DeviceId, reason: &str) -> Result<(), DenialError> {
    list(session, device, reason).await?;
    mark(session, device, true).await
}

/// Only the first half of [`deny`], for who may not write devices' own records: the device is shut out
/// for as long as the list keeps it.
///
/// # Errors
/// When the list was not written; then do it again.
pub async fn list(session: &Session, device: &DeviceId, reason: &str) -> Result<(), DenialError> {
    let denial = Denial {
        at: clock::now(),
        reason: reason.to_owned(),
    };
    list_as(session, |list| list.deny(device, denial.clone())).await
}

/// Lets a device in again, or for the first time: without a record of its own it gets one that allows
/// what is allowed by default.
///
/// # Errors
/// When one of the records was not written; then do it again.
pub async fn allow(session: &Session, device: &DeviceId) -> Result<(), DenialError> {
    mark(session, device, false).await?;
    list_as(session, |list| list.allow(device)).await
}

/// Writes the record of a device that was let in before, where a store has lost it: as far as it is known
/// elsewhere. A record that is there stays, and so does one that somebody deleted. Answers whether it wrote.
///
/// # Errors
/// When that is not known; then do it again.
pub async fn remember(
    session: &Session,
    device: &DeviceId,
    allowed_labels: &AllowedLabels,
) -> Result<bool, DenialError> {
    let path = format!("{DEVICES}/{device}");
    let record = match allowed_labels {
        Some(labels) => serde_json::json!({"denied": false, "allowedLabels": labels}),
        None => serde_json::json!({"denied": false}),
    };
    // A record that was deleted has a version still, which is how it differs from one that was lost.
    Ok(write(session, &path, &record, NEVER).await?)
}

/// The list as it is; empty if nobody was ever denied.
///
/// # Errors
/// When it cannot be read.
pub async fn denials(session: &Session) -> Result<Denials, DenialError> {
    parse(read(session, DENIED).await?.0, DENIED)
}

/// The labels that the device's own record lets it claim; none restricts nothing.
///
/// # Errors
/// When the record cannot be read, or there is none: then nobody decided.
pub async fn allowed_labels(
    session: &Session,
    device: &DeviceId,
) -> Result<AllowedLabels, DenialError> {
    let path = format!("{DEVICES}/{device}");
    let (value, _) = read(session, &path).await?;
    let value = value.ok_or_else(|| DenialError::Missing(format!("{KV_MOUNT}/{path}")))?;
    let policy: DevicePolicy = parse(Some(value), &path)?;
    Ok(policy.allowed_labels)
}

async fn list_as(
    session: &Session,
    mut change: impl FnMut(&mut Denials) -> bool,
) -> Result<(), DenialError> {
    update(session, DENIED, |value| {
        let mut list: Denials = parse(value, DENIED)?;
        let changed = change(&mut list);
        let list = serde_json::to_value(list).map_err(|source| malformed(DENIED, source))?;
        Ok(changed.then_some(list))
    })
    .await
}

/// Says in the device's own record whether it is denied, and leaves the rest of it as it is, known to
/// this version or not.
async fn mark(session: &Session, device: &DeviceId, denied: bool) -> Result<(), DenialError> {
    let path = format!("{DEVICES}/{device}");
    update(session, &path, |value| {
        let missing = value.is_none();
        let mut record: Map<String, Value> = parse(value, &path)?;
        let before = record.insert("denied".to_owned(), Value::Bool(denied));
        let same = before.unwrap_or(Value::Bool(false)) == Value::Bool(denied);
        Ok((missing || !same).then_some(Value::Object(record)))
    })
    .await
}

/// Reads, changes and writes unless somebody else wrote in between; then again. No change, no write.
async fn update(
    session: &Session,
    path: &str,
    mut change: impl FnMut(Option<Value>) -> Result<Option<Value>, DenialError>,
) -> Result<(), DenialError> {
    for _ in 0..ATTEMPTS {
        let (value, version) = read(session, path).await?;
        let Some(value) = change(value)? else {
            return Ok(());
        };
        if write(session, path, &value, version).await? {
            return Ok(());
        }
    }
    Err(DenialError::Contended(format!("{KV_MOUNT}/{path}")))
}

/// Writes a record unless it is of another version by now; whether it did.
async fn write(
    session: &Session,
    path: &str,
    value: &Value,
    version: u32,
) -> Result<bool, BaoError> {
    let options = kv2_requests::SetSecretRequestOptions { cas: version };
    let written = kv2::set_with_options(&session.client, KV_MOUNT, path, value, options).await;
    match written.map_err(Answer::from) {
        Ok(_) => Ok(true),
        Err(answer) if answer.is_outrun() => Ok(false),
        Err(source) => Err(failed("take", path, source)),
    }
}

/// A record with its version. One that was deleted is shown as if it was never written.
async fn read(session: &Session, path: &str) -> Result<(Option<Value>, u32), BaoError> {
    let mut request = kv2_requests::ReadSecretRequest::builder();
    request.mount(KV_MOUNT).path(path);
    let request = request.build().map_err(|_| {
        let empty = ClientError::ResponseEmptyError;
        failed("show", path, empty.into())
    })?;
    match api::exec_with_result(&session.client, request).await {
        Ok(found) => {
            let version = u32::try_from(found.metadata.version).unwrap_or(u32::MAX);
            Ok((Some(found.data), version))
        }
        Err(error) => match Answer::from(error) {
            answer if answer.is_missing() => Ok((None, NEVER)),
            source => Err(failed("show", path, source)),
        },
    }
}

fn parse<T>(value: Option<Value>, path: &str) -> Result<T, DenialError>
where
    T: Default + serde::de::DeserializeOwned,
{
    let value = value.map(serde_json::from_value).transpose();
    Ok(value
        .map_err(|source| malformed(path, source))?
        .unwrap_or_default())
}

fn malformed(path: &str, source: serde_json::Error) -> DenialError {
    DenialError::Malformed {
        path: format!("{KV_MOUNT}/{path}"),
        source,
    }
}

fn failed(what: &'static str, path: &str, source: Answer) -> BaoError {
    BaoError::Request {
        what,
        path: format!("{KV_MOUNT}/{path}"),
        source,
    }
}
