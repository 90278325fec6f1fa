//! What somebody asked of the API server, as the server itself recorded it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::ControlPlaneError;

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// `get`, `list`, `patch`; for what is no resource, the HTTP method in small letters.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource with its subresource after a slash; the path for what is no resource.
    pub resource: String,
    /// The namespace; empty for what has none, or is asked for in all.
    pub namespace: String,
    /// The object's name; empty where many are asked for, or the server chose it.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

/// The files of an audit log.
#[derive(Debug, Clone)]
pub(super) struct AuditLog {
    policy: PathBuf,
    log: PathBuf,
}

impl AuditLog {
    /// Writes the policy: what these users ask is recorded, without bodies.
    pub(super) fn create(home: &Path, users: &[String]) -> Result<Self, ControlPlaneError> {
        let files = Self {
            policy: home.join("audit-policy.json"),
            log: home.join("audit.log"),
        };
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            // What was received will also be answered.
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
        });
        fs::write(&files.policy, policy.to_string()).map_err(file_error(&files.policy))?;
        Ok(files)
    }

    /// The server's options for it. By its default the log is written before the answer is sent.
    pub(super) fn args(&self) -> [(&str, &Path); 2] {
        [
            ("--audit-policy-file", &self.policy),
            ("--audit-log-path", &self.log),
        ]
    }

    /// All requests, in the order of their answers.
    pub(super) fn read(&self) -> Result<Vec<Request>, ControlPlaneError> {
        let text = match fs::read_to_string(&self.log) {
            // The server makes the file with the first line.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(file_error(&self.log))?,
        };
        parse(&text).map_err(|source| file_error(&self.log)(source.into()))
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> ControlPlaneError {
    let path = path.to_owned();
    move |source| ControlPlaneError::File { path, source }
}

/// The part of `audit.k8s.io/v1` Event that is of interest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let object = event.object_ref.unwrap_or_default();
        let resource = match (object.resource.as_str(), object.subresource.as_str()) {
            ("", _) => event.request_uri,
            (resource, "") => resource.to_owned(),
            (resource, sub) => format!("{resource}/{sub}"),
        };
        Self {
            verb: event.verb,
            group: object.api_group,
            resource,
            namespace: object.namespace,
            name: object.name,
            code: event.response_status.map_or(0, |status| status.code),
        }
    }
}

/// A watch is recorded when it begins and when it ends; it counts once.
fn parse(text: &str) -> Result<Vec<Request>, serde_json::Error> {
    let mut places = HashMap::new();
    let mut requests = Vec::new();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let event: Event = serde_json::from_str(line)?;
        let place = *places
            .entry(event.audit_id.clone())
            .or_insert(requests.len());
        let request = Request::from(event);
        match requests.get_mut(place) {
            Some(earlier) => *earlier = request,
            None => requests.push(request),
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_watch_counts_once_and_a_half_line_not_at_all() {
        let line = |stage: &str| {
            let event = json!({
                "auditID": "a", "stage": stage, "verb": "watch",
                "requestURI": "/apis/fleet.nationtech.io/v1alpha1/devices?watch=true",
                "objectRef": {"resource": "devices", "apiGroup": "fleet.nationtech.io"},
                "responseStatus": {"code": 200},
            });
            format!("{event}\n")
        };
        let text = format!(
            "{}{}{{\"auditID\": ",
            line("ResponseStarted"),
            line("ResponseComplete")
        );
        let expected = Request {
            verb: "watch".into(),
            group: "fleet.nationtech.io".into(),
            resource: "devices".into(),
            namespace: String::new(),
            name: String::new(),
            code: 200,
        };
        assert_eq!(parse(&text).expect("parsed"), [expected]);
    }
}
