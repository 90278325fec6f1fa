//! Settings that vaultrs has no call for, or none that reads back what it writes.

use rustify_derive::Endpoint;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vaultrs::api;
use vaultrs::error::ClientError;

use super::client::{BaoError, Session};

/// Reads whatever is at a path.
#[derive(Debug, Endpoint)]
#[endpoint(path = "{self.path}", response = "Value")]
struct Read {
    #[endpoint(skip)]
    path: String,
}

/// Writes to a path.
#[derive(Debug, Endpoint)]
#[endpoint(path = "{self.path}", method = "POST")]
struct Write {
    #[endpoint(skip)]
    path: String,
    #[endpoint(raw)]
    body: Vec<u8>,
}

/// What is at `path`; none if there is nothing, or something of another shape, which is then to be
/// written anew.
pub(super) async fn read<T: DeserializeOwned>(
    session: &Session,
    path: &str,
) -> Result<Option<T>, BaoError> {
    let endpoint = Read {
        path: path.to_owned(),
    };
    match api::exec_with_result(&session.client, endpoint).await {
        Ok(found) => Ok(serde_json::from_value(found).ok()),
        Err(error) => {
            let source = super::client::Answer::from(error);
            if source.is_missing() {
                return Ok(None);
            }
            Err(BaoError::Request {
                what: "show",
                path: path.to_owned(),
                source,
            })
        }
    }
}

/// Writes to a path that answers.
#[derive(Debug, Endpoint)]
#[endpoint(path = "{self.path}", method = "POST", response = "Value")]
struct Exchange {
    #[endpoint(skip)]
    path: String,
    #[endpoint(raw)]
    body: Vec<u8>,
}

/// Writes `value` to `path`; what came back.
pub(super) async fn exchange<T: Serialize, A: DeserializeOwned>(
    session: &Session,
    path: &str,
    value: &T,
) -> Result<A, BaoError> {
    let failed = |source: ClientError| BaoError::Request {
        what: "take",
        path: path.to_owned(),
        source: source.into(),
    };
    let unread = |source| failed(ClientError::JsonParseError { source });
    let endpoint = Exchange {
        path: path.to_owned(),
        body: serde_json::to_vec(value).map_err(unread)?,
    };
    let answered = api::exec_with_result(&session.client, endpoint).await;
    serde_json::from_value(answered.map_err(failed)?).map_err(unread)
}

/// Writes `value` to `path`.
pub(super) async fn write<T: Serialize>(
    session: &Session,
    path: &str,
    value: &T,
) -> Result<(), BaoError> {
    let failed = |source| BaoError::Request {
        what: "take",
        path: path.to_owned(),
        source,
    };
    let body = serde_json::to_vec(value)
        .map_err(|source| failed(vaultrs::error::ClientError::JsonParseError { source }.into()))?;
    let endpoint = Write {
        path: path.to_owned(),
        body,
    };
    let written = api::exec_with_empty(&session.client, endpoint).await;
    written.map_err(|error| failed(error.into()))
}
